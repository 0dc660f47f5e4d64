//! The streams of pods, as their clients use them: the real kubectl (where it is installed) and the crate `kube`.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::time::Duration;

use embedded::kubelet::lifecycle::is_ready;
use embedded::object::{list, name, text};
use embedded::platform::{Options, Platform, Release, Start};
use embedded::store::Key;
use serde_json::json;

const LONG: Duration = Duration::from_secs(30);

struct Cluster {
    platform: Platform,
    folder: tempfile::TempDir,
}

impl Cluster {
    async fn start() -> Self {
        let start = Start::Release(Release::V1_9_1);
        let platform = Platform::start(Options { start, ..Options::default() }).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("kubeconfig"), platform.kubeconfig()).unwrap();
        let cluster = Self { platform, folder };
        for app in ["dex", "centraldashboard", "istio-ingressgateway"] {
            cluster.pod(app).await;
        }
        cluster
    }

    /// The name of the ready pod with this `app` label, and its namespace.
    async fn pod(&self, app: &str) -> (String, String) {
        let store = &self.platform.world().store;
        let mut revisions = store.revisions();
        let found = async {
            loop {
                let pods = store.list("", "pods", None);
                let ready = |pod: &&std::sync::Arc<serde_json::Value>| {
                    text(pod, "/metadata/labels/app") == app && is_ready(pod)
                };
                if let Some(pod) = pods.iter().find(ready) {
                    return (name(pod).to_owned(), text(pod, "/metadata/namespace").to_owned());
                }
                revisions.changed().await.unwrap();
            }
        };
        tokio::time::timeout(LONG, found).await.unwrap()
    }

    fn kubectl(&self, arguments: &[&str]) -> Option<Command> {
        let program = std::env::split_paths(&std::env::var_os("PATH")?)
            .map(|folder: PathBuf| folder.join("kubectl"))
            .find(|path| path.exists());
        let Some(program) = program else {
            println!("skipped: kubectl is not installed");
            return None;
        };
        let mut command = Command::new(program);
        command.arg("--kubeconfig").arg(self.folder.path().join("kubeconfig")).args(arguments);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Some(command)
    }

    async fn run(&self, arguments: &[&str], stdin: &str) -> Option<Output> {
        let mut command = self.kubectl(arguments)?;
        command.stdin(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(stdin.as_bytes()).unwrap();
        let ended = tokio::task::spawn_blocking(move || child.wait_with_output().unwrap());
        Some(tokio::time::timeout(LONG, ended).await.unwrap().unwrap())
    }
}

fn texts(output: &Output) -> (String, String, i32) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), text(&output.stderr), output.status.code().unwrap_or(-1))
}

#[tokio::test(flavor = "multi_thread")]
async fn kubectl_reads_logs_and_runs_commands() {
    let cluster = Cluster::start().await;
    let (dashboard, home) = cluster.pod("centraldashboard").await;
    let Some(output) = cluster.run(&["logs", "-n", &home, &dashboard, "-c", "centraldashboard"], "").await else {
        return;
    };
    let (stdout, stderr, code) = texts(&output);
    assert!(code == 0 && !stdout.is_empty(), "{stdout}{stderr}");
    let exec = |command: &[&str]| {
        let mut all = vec!["exec", "-i", "-n", &home, &dashboard, "-c", "centraldashboard", "--"];
        all.extend(command);
        all.iter().map(|one| (*one).to_owned()).collect::<Vec<_>>()
    };
    for (command, stdin, stdout, code) in [
        (vec!["echo", "hello"], "", "hello\n", 0),
        (vec!["cat"], "from outside", "from outside", 0),
        (vec!["printenv", "HOSTNAME"], "", &*format!("{dashboard}\n"), 0),
        (vec!["sh", "-c", "false || echo $HOSTNAME; exit 3"], "", &*format!("{dashboard}\n"), 3),
        (vec!["cat", "/var/run/secrets/kubernetes.io/serviceaccount/namespace"], "", "kubeflow", 0),
    ] {
        let arguments = exec(&command);
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let (out, err, ended) = texts(&cluster.run(&arguments, stdin).await.unwrap());
        assert_eq!((out.as_str(), ended), (stdout, code), "{command:?}: {err}");
    }
    let arguments = exec(&["mysql"]);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let (_, stderr, code) = texts(&cluster.run(&arguments, "").await.unwrap());
    assert!(code != 0 && stderr.contains("plays only"), "{stderr}");
}

/// A kubectl port-forward that listens.
struct Forward {
    child: Child,
    port: u16,
    /// Kept open: kubectl writes a line for each connection.
    _stdout: BufReader<ChildStdout>,
}

impl Drop for Forward {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

fn forward(mut command: Command) -> Forward {
    let mut child = command.spawn().unwrap();
    let mut line = String::new();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    stdout.read_line(&mut line).unwrap();
    let port =
        line.split("127.0.0.1:").nth(1).and_then(|rest| rest.split(' ').next()).and_then(|port| port.parse().ok());
    if port.is_none() {
        let mut why = String::new();
        child.stderr.take().unwrap().read_to_string(&mut why).unwrap();
        panic!("kubectl does not forward: {line}{why}");
    }
    Forward { child, port: port.unwrap(), _stdout: stdout }
}

impl Forward {
    /// What a GET through it brings; what kubectl says about it otherwise.
    fn get(&mut self, path: &str) -> String {
        let exchange = || {
            let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
            stream.set_read_timeout(Some(LONG))?;
            stream.write_all(format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").as_bytes())?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer).map(|_| answer)
        };
        exchange().unwrap_or_else(|error: std::io::Error| {
            self.child.kill().unwrap();
            let mut why = String::new();
            if let Some(mut stderr) = self.child.stderr.take() {
                stderr.read_to_string(&mut why).unwrap();
            }
            format!("{error}: {why}")
        })
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn kubectl_forwards_ports_to_programs_and_to_the_gateway() {
    let cluster = Cluster::start().await;
    let (dex, home) = cluster.pod("dex").await;
    for way in ["true", "false"] {
        let Some(mut command) = cluster.kubectl(&["port-forward", "-n", &home, &format!("pod/{dex}"), ":5556"]) else {
            return;
        };
        command.env("KUBECTL_PORT_FORWARD_WEBSOCKETS", way);
        let (answers, _) = tokio::task::spawn_blocking(move || {
            let mut forward = forward(command);
            let answers = [(); 3].map(|()| forward.get("/dex/.well-known/openid-configuration"));
            (answers, forward)
        })
        .await
        .unwrap();
        assert!(answers.iter().all(|answer| answer.contains("\"issuer\"")), "websocket {way}: {answers:?}");
    }
    let command =
        cluster.kubectl(&["port-forward", "-n", "istio-system", "service/istio-ingressgateway", ":80"]).unwrap();
    let (answer, _) = tokio::task::spawn_blocking(move || {
        let mut forward = forward(command);
        (forward.get("/"), forward)
    })
    .await
    .unwrap();
    assert!(answer.starts_with("HTTP/1.1 "), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_missing_shows_as_on_a_real_node_and_heals() {
    let cluster = Cluster::start().await;
    let store = &cluster.platform.world().store;
    let key = Key::new("apps", "deployments", "auth", "dex");
    store
        .update(&key, None, |deployment| {
            let container = &mut deployment["spec"]["template"]["spec"]["containers"][0];
            let mut sources = list(container, "/envFrom").to_vec();
            sources.push(json!({"secretRef": {"name": "late"}}));
            container["envFrom"] = json!(sources);
            true
        })
        .unwrap();
    let stuck = async {
        let mut revisions = store.revisions();
        loop {
            let pods = store.list("", "pods", Some("auth"));
            if let Some(pod) = pods.iter().find(|pod| !is_ready(pod))
                && text(pod, "/status/containerStatuses/0/state/waiting/reason") == "CreateContainerConfigError"
            {
                return (name(pod).to_owned(), pods.iter().filter(|pod| is_ready(pod)).count());
            }
            revisions.changed().await.unwrap();
        }
    };
    let (stuck, ready) = tokio::time::timeout(LONG, stuck).await.unwrap();
    assert_eq!(ready, 1, "the old pod goes on");
    store.create(&Key::new("", "secrets", "auth", "late"), json!({"data": {}})).unwrap();
    let healed = async {
        let mut revisions = store.revisions();
        loop {
            let pods = store.list("", "pods", Some("auth"));
            if pods.len() == 1 && name(&pods[0]) == stuck && is_ready(&pods[0]) {
                return;
            }
            revisions.changed().await.unwrap();
        }
    };
    let healed = tokio::time::timeout(LONG, healed).await;
    assert!(
        healed.is_ok(),
        "{:#?}",
        store.list("", "pods", Some("auth")).iter().map(|pod| &pod["status"]).collect::<Vec<_>>()
    );
}
