//! What is missing is said in one sentence with what to do next, and nothing is made.

use clusters::Kind;
use clusters::manifests::Source;

use super::fakes::{INFO, Machine, refused};

/// Nothing was made, and nothing deleted.
fn untouched(machine: &Machine) {
    let calls = machine.calls();
    assert!(!calls.contains("kind create") && !calls.contains("kind delete"), "{calls}");
}

/// A cluster that a platform is installed into.
fn for_a_platform(machine: &Machine) -> Kind {
    machine.write("platform.yaml", "apiVersion: v1\nkind: Namespace\nmetadata: {name: a}\n");
    Kind { manifests: Some(Source::Path(machine.path("platform.yaml"))), ..machine.kind("a") }
}

#[tokio::test]
async fn no_kind() {
    let machine = Machine::new();
    machine.without("kind");
    refused(&machine.kind("a"), &["no program kind on the PATH", "install it", "--cluster existing"]).await;
}

#[tokio::test]
async fn an_old_kind_and_another_program_of_that_name() {
    let machine = Machine::new();
    machine.write("version", "kind v0.11.1 go1.16.4 linux/amd64");
    refused(&machine.kind("a"), &["kind 0.11 is too old", "0.20 or later"]).await;
    machine.write("version", "A kind person\nsays hello");
    refused(&machine.kind("a"), &["A kind person says hello", "https://kind.sigs.k8s.io"]).await;
    untouched(&machine);
}

#[tokio::test]
async fn no_container_runtime() {
    let machine = Machine::new();
    machine.without("docker");
    refused(&machine.kind("a"), &["docker, podman or nerdctl", "install one"]).await;
    untouched(&machine);
}

#[tokio::test]
async fn the_container_runtime_that_the_environment_asks_for() {
    let machine = Machine::new();
    let mut kind = machine.kind("a");
    kind.surroundings.provider = Some("podman".to_owned());
    refused(&kind, &["asks for podman", "unset the variable"]).await;
    kind.surroundings.provider = Some("dokcer".to_owned());
    refused(&kind, &["KIND_EXPERIMENTAL_PROVIDER", "\"dokcer\"", "docker, podman and nerdctl"]).await;
    untouched(&machine);
}

#[tokio::test]
async fn a_container_runtime_that_does_not_run() {
    let machine = Machine::new();
    let words = "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?";
    machine.write("down", &format!("Client: Docker Engine\nERROR: {words}\n"));
    let wanted = ["docker does not answer", words, "start it, then check with: docker info"];
    refused(&machine.kind("a"), &wanted).await;
    // Docker's client may end well all the same.
    std::fs::remove_file(machine.path("down")).unwrap();
    machine.write("info", &format!("{{\"ServerErrors\":[{words:?}]}}"));
    refused(&machine.kind("a"), &wanted).await;
    untouched(&machine);
}

#[tokio::test]
async fn a_machine_that_is_too_small() {
    let machine = Machine::new();
    let kind = for_a_platform(&machine);
    let go_on = "--ignore-resources";
    machine.write("info", &INFO.replace("34359738368", "4294967296"));
    refused(&kind, &["12 GiB of memory", "has 4 GiB", "give the container runtime more", go_on]).await;
    machine.write("info", &INFO.replace(":8,", ":2,"));
    refused(&kind, &["5 processors", "has 2", go_on]).await;
    machine.write("info", INFO);
    machine.write("free", "10485760");
    refused(&kind, &["40 GiB of disk", "has 10 GiB", "make room in /var/lib/docker", go_on]).await;
    machine.write("free", "104857600");
    machine.write("limits/max_user_instances", "128\n");
    refused(&kind, &["fs.inotify.max_user_instances of 512", "has 128", "sudo sysctl", go_on]).await;
    untouched(&machine);
}

#[tokio::test]
async fn an_image_that_does_not_start_here() {
    let machine = Machine::new();
    machine.write("info", &INFO.replace("\"2\"", "\"1\""));
    let kind = Kind { node_image: Some("kindest/node:v1.36.1".to_owned()), ..machine.kind("a") };
    refused(&kind, &["the node image", "control groups of version 2", "--node-image"]).await;
    untouched(&machine);
}

#[tokio::test]
async fn a_name_in_use() {
    let machine = Machine::new();
    machine.write("clusters/a", "a-control-plane\na-worker\n");
    let words = ["a kind cluster a already that this program did not make", "--cluster-name"];
    refused(&machine.kind("a"), &words).await;
    // One node of two is not enough.
    machine.write("marked/a-worker", "");
    refused(&machine.kind("a"), &words).await;
    untouched(&machine);
    assert!(machine.exists("clusters/a"));
}

#[tokio::test]
async fn a_configuration_that_is_none() {
    let machine = Machine::new();
    machine.write("kind.yaml", "kind: Deployment");
    let kind = Kind { configuration: Some(machine.path("kind.yaml")), ..machine.kind("a") };
    refused(&kind, &["kind.yaml", "its kind is not Cluster"]).await;
    untouched(&machine);
}

#[tokio::test]
async fn no_place_for_what_is_to_be_remembered() {
    let machine = Machine::new();
    machine.write("state", "a file");
    refused(&machine.kind("a"), &["cannot use the folder", "XDG_STATE_HOME"]).await;
    untouched(&machine);
}
