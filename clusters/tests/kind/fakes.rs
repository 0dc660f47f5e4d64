//! Programs that play `kind`, a container runtime and `df`: a cluster of theirs is a file with its nodes, and the API
//! behind its kubeconfig is an embedded platform.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use clusters::kind::Surroundings;
use clusters::{Kind, Provided, Provider, kubeconfig};
use embedded::{Options, Platform};
use tokio_util::sync::CancellationToken;

/// Enough of everything.
pub const INFO: &str = r#"{"NCPU":8,"MemTotal":34359738368,"DockerRootDir":"/var/lib/docker","CgroupVersion":"2"}"#;

const KIND: &str = r#"
name=; config=; kubeconfig=; previous=
for argument; do
  case $previous in --name) name=$argument ;; --config) config=$argument ;; --kubeconfig) kubeconfig=$argument ;; esac
  previous=$argument
done
case "$1 $2" in
  "version ") cat version ;;
  "get nodes") cat "clusters/$name" 2>/dev/null || echo "No kind nodes found for cluster \"$name\"." >&2 ;;
  "create cluster")
    echo "$name-control-plane" >"clusters/$name"
    if grep -q '"containerPath":"/kubeflow-conformance"' "$config"; then touch "marked/$name-control-plane"; fi
    if [ -e slow ]; then : >started; sleep 300; fi
    if [ -e broken ]; then cat broken >&2; exit 1; fi
    sed "s/PLAYED/kind-$name/" kubeconfig >"$kubeconfig" ;;
  "delete cluster") rm -f "clusters/$name" "marked/$name-control-plane" ;;
  "load image-archive") [ -e "$3" ] || { echo "ERROR: no such file $3" >&2; exit 1; } ;;
esac
"#;

const RUNTIME: &str = r#"
case $1 in
  info) cat info; if [ -e down ]; then cat down >&2; exit 1; fi ;;
  inspect)
    shift 3
    for node; do
      if [ -e "marked/$node" ]; then echo '[{"Destination":"/kubeflow-conformance"}]'; else echo '[{"Destination":"/var"}]'; fi
    done ;;
esac
"#;

const DF: &str = "echo head; echo /dev/vda 1 1 $(cat free) 1% /";

/// A machine with these programs alone.
pub struct Machine {
    folder: tempfile::TempDir,
    platform: Option<Platform>,
}

impl Machine {
    /// With kind and docker, and enough of everything.
    pub fn new() -> Self {
        let machine = Self { folder: tempfile::tempdir().unwrap(), platform: None };
        for folder in ["bin", "clusters", "marked", "limits"] {
            fs::create_dir(machine.path(folder)).unwrap();
        }
        for (file, text) in [
            ("version", "kind v0.30.0 go1.24.6 linux/amd64"),
            ("info", INFO),
            ("free", "104857600"),
            ("limits/max_user_instances", "2280\n"),
            ("limits/max_user_watches", "1255360\n"),
        ] {
            machine.write(file, text);
        }
        machine.program("kind", KIND);
        machine.program("docker", RUNTIME);
        machine.program("df", DF);
        machine
    }

    /// The same, and the clusters that kind makes have an API that answers.
    pub async fn with_api() -> Self {
        let mut machine = Self::new();
        let platform = Platform::start(Options::default()).await.unwrap();
        machine.write("kubeconfig", &platform.kubeconfig().replace("embedded", "PLAYED"));
        kubeconfig::load(Some(&machine.path("kubeconfig")), Some("PLAYED")).await.expect("a context to be renamed");
        machine.platform = Some(platform);
        machine
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    pub fn exists(&self, name: &str) -> bool {
        self.path(name).exists()
    }

    /// Installs a program: a shell script that notes down how it is called.
    pub fn program(&self, name: &str, script: &str) {
        let path = self.path("bin").join(name);
        let folder = self.folder.path().display();
        let head = format!("#!/bin/sh\nPATH=/usr/bin:/bin\ncd {folder}\necho \"{name} $*\" >>calls\n");
        fs::write(&path, head + script).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    pub fn without(&self, name: &str) {
        fs::remove_file(self.path("bin").join(name)).unwrap();
    }

    /// How the programs were called.
    pub fn calls(&self) -> String {
        fs::read_to_string(self.path("calls")).unwrap_or_default()
    }

    /// A cluster that this machine is asked for.
    pub fn kind(&self, name: &str) -> Kind {
        let surroundings = Surroundings {
            path: Some(self.path("bin").into()),
            provider: None,
            state: self.path("state"),
            limits: self.path("limits"),
        };
        Kind { surroundings, ..Kind::new(name) }
    }
}

/// What a provider gives; an error as its sentence.
pub async fn provide(kind: &Kind) -> Result<Provided, String> {
    kind.provide(&CancellationToken::new()).await.map_err(|error| error.to_string())
}

/// The sentence that a provider ends with: one line that has all of some words.
pub async fn refused(kind: &Kind, words: &[&str]) -> String {
    let sentence = provide(kind).await.err().unwrap_or_else(|| panic!("refused with {words:?}"));
    assert_eq!(sentence.lines().count(), 1, "{sentence}");
    for word in words {
        assert!(sentence.contains(word), "{sentence}\nshould contain\n{word}");
    }
    sentence
}
