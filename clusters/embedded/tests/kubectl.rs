//! The API as people use it: real `kubectl` against a running platform. Skipped where there is no `kubectl`.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use std::io::ErrorKind;
use std::process::Stdio;
use std::time::Duration;

use embedded::{Options, Platform, Release, Start};
use tempfile::TempDir;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

/// How long one command may take, on a busy machine.
const LONGEST: Duration = Duration::from_secs(90);

struct Kubectl {
    _platform: Platform,
    home: TempDir,
}

/// What a command printed.
struct Said {
    code: i32,
    out: String,
    error: String,
}

impl Kubectl {
    /// `None`, said aloud, where there is no `kubectl`.
    async fn start(start: Start) -> Option<Self> {
        match Command::new("kubectl").arg("help").stdout(Stdio::null()).status().await {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                eprintln!("skipped: there is no kubectl on the PATH");
                return None;
            }
            status => assert!(status.unwrap().success()),
        }
        let platform = Platform::start(Options { start, ..Options::default() }).await.unwrap();
        let home = tempfile::tempdir().unwrap();
        std::fs::write(home.path().join("config"), platform.kubeconfig()).unwrap();
        Some(Self { _platform: platform, home })
    }

    async fn run(&self, line: &str, input: &str) -> Said {
        self.args(&line.split_whitespace().collect::<Vec<_>>(), input).await
    }

    async fn args(&self, args: &[&str], input: &str) -> Said {
        let mut child = Command::new("kubectl")
            .arg("--kubeconfig")
            .arg(self.home.path().join("config"))
            .arg("--cache-dir")
            .arg(self.home.path().join("cache"))
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        // A command that reads nothing may be gone already.
        drop(stdin.write_all(input.as_bytes()).await);
        drop(stdin);
        let output = tokio::time::timeout(LONGEST, child.wait_with_output()).await.expect("kubectl hangs").unwrap();
        Said {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8(output.stdout).unwrap(),
            error: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// A command that must succeed; what it printed.
    async fn ok(&self, line: &str) -> String {
        self.ok_with(line, "").await
    }

    async fn ok_with(&self, line: &str, input: &str) -> String {
        let said = self.run(line, input).await;
        assert_eq!(said.code, 0, "kubectl {line}: {}{}", said.out, said.error);
        said.out
    }

    /// A command that must be refused; its complaint.
    async fn refused(&self, line: &str, input: &str) -> String {
        let said = self.run(line, input).await;
        assert_ne!(said.code, 0, "kubectl {line} succeeded: {}", said.out);
        said.error
    }
}

const CONFIG: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\ndata: {a: b}\n";

#[tokio::test]
async fn objects_are_applied_changed_and_deleted() {
    let Some(kubectl) = Kubectl::start(Start::Blank).await else { return };
    kubectl.ok("create namespace a").await;
    assert_eq!(kubectl.ok_with("apply -n a -f -", CONFIG).await, "configmap/c created\n");
    assert_eq!(kubectl.ok_with("apply -n a -f -", CONFIG).await, "configmap/c unchanged\n");
    let changed = CONFIG.replace("a: b", "x: y1");
    assert_eq!(kubectl.ok_with("apply -n a -f -", &changed).await, "configmap/c configured\n");
    assert_eq!(kubectl.ok("get configmap c -n a -o jsonpath={.data}").await, "{\"x\":\"y1\"}");

    // What kubectl applied itself on the client's side is no conflict for it; another manager's field is.
    let changed = CONFIG.replace("a: b", "x: y2");
    assert_eq!(kubectl.ok_with("apply -n a --server-side -f -", &changed).await, "configmap/c serverside-applied\n");
    let other = "apply -n a --server-side --field-manager=other -f -";
    let complaint = kubectl.refused(other, CONFIG.replace("a: b", "x: y3").as_str()).await;
    assert!(complaint.contains("conflict with \"kubectl\": .data.x"), "{complaint}");
    kubectl.ok_with(&format!("{other} --force-conflicts"), &CONFIG.replace("a: b", "x: y3")).await;

    kubectl.ok("label configmap c -n a color=red").await;
    kubectl.ok("annotate configmap c -n a note=1").await;
    assert!(kubectl.ok("get configmap -n a -l color=red -o name").await.contains("configmap/c"));
    let complaint = kubectl.refused("label configmap c -n a color=!bad", "").await;
    assert!(complaint.contains("a valid label must be an empty string"), "{complaint}");
    kubectl.ok("label configmap c -n a color-").await;
    assert_eq!(kubectl.ok("get configmap -n a -l color=red -o name").await, "");

    assert_eq!(kubectl.ok("delete configmap c -n a").await, "configmap \"c\" deleted\n");
    let complaint = kubectl.refused("get configmap c -n a", "").await;
    assert_eq!(complaint, "Error from server (NotFound): configmaps \"c\" not found\n");
    kubectl.ok("delete namespace a --timeout=60s").await;
    assert!(kubectl.refused("get namespace a", "").await.contains("NotFound"));
}

#[tokio::test]
async fn unknown_and_mistyped_fields_are_refused_as_a_real_server_does() {
    let Some(kubectl) = Kubectl::start(Start::Blank).await else { return };
    let unknown = CONFIG.replace("\ndata:", "\ndat:");
    let complaint = kubectl.refused("create -f -", &unknown).await;
    assert!(complaint.contains("strict decoding error: unknown field \"dat\""), "{complaint}");
    let said = kubectl.run("create --validate=warn -f -", &unknown).await;
    assert_eq!((said.code, said.error.as_str()), (0, "Warning: unknown field \"dat\"\n"));
    let complaint = kubectl.refused("apply --server-side -f -", &unknown).await;
    assert!(complaint.contains(".dat: field not declared in schema"), "{complaint}");
    let complaint = kubectl.refused("create -f -", &CONFIG.replace("{a: b}", "{a: 1}")).await;
    assert!(
        complaint.contains("cannot unmarshal number into Go struct field ConfigMap.data of type string"),
        "{complaint}"
    );
}

#[tokio::test]
async fn a_deployment_is_rolled_out_scaled_patched_and_exposed() {
    let Some(kubectl) = Kubectl::start(Start::Blank).await else { return };
    kubectl.ok("create deployment d --image=nginx:1 --replicas=2").await;
    kubectl.ok("rollout status deployment/d --timeout=60s").await;
    kubectl.ok("wait deployment/d --for=condition=Available --timeout=60s").await;
    assert_eq!(kubectl.ok("scale deployment/d --replicas=3").await, "deployment.apps/d scaled\n");
    kubectl.ok("rollout status deployment/d --timeout=60s").await;
    let wide = kubectl.ok("get deployments -o wide").await;
    let row: Vec<&str> = wide.lines().nth(1).unwrap().split_whitespace().collect();
    assert_eq!((row[0], row[1], row[5], row[6], row[7]), ("d", "3/3", "nginx", "nginx:1", "app=d"), "{wide}");
    assert!(
        wide.starts_with("NAME   READY   UP-TO-DATE   AVAILABLE   AGE   CONTAINERS   IMAGES    SELECTOR"),
        "{wide}"
    );
    let pods = kubectl.ok("get pods -l app=d --field-selector=status.phase=Running --no-headers").await;
    assert_eq!(pods.lines().filter(|line| line.contains("1/1") && line.contains("Running")).count(), 3, "{pods}");

    for (kind, patch, replicas) in [
        ("json", r#"[{"op":"replace","path":"/spec/replicas","value":1}]"#, "1"),
        ("merge", r#"{"spec":{"replicas":2}}"#, "2"),
        ("strategic", r#"{"spec":{"template":{"spec":{"containers":[{"name":"nginx","image":"nginx:2"}]}}}}"#, "2"),
    ] {
        let said = kubectl.args(&["patch", "deployment", "d", "--type", kind, "-p", patch], "").await;
        assert_eq!(said.code, 0, "{}", said.error);
        assert_eq!(kubectl.ok("get deployment d -o jsonpath={.spec.replicas}").await, replicas);
    }
    let containers = "get deployment d -o jsonpath={.spec.template.spec.containers[*].image}";
    assert_eq!(kubectl.ok(containers).await, "nginx:2");
    kubectl.ok("set image deployment/d nginx=nginx:3").await;
    kubectl.ok("rollout status deployment/d --timeout=60s").await;
    assert_eq!(kubectl.ok(containers).await, "nginx:3");
    kubectl.ok("rollout undo deployment/d").await;
    assert_eq!(kubectl.ok(containers).await, "nginx:2");
    let complaint = kubectl
        .args(&["patch", "deployment", "d", "-p", r#"{"spec":{"selector":{"matchLabels":{"app":"e"}}}}"#], "")
        .await
        .error;
    assert!(complaint.contains("field is immutable"), "{complaint}");

    assert_eq!(kubectl.ok("expose deployment d --port=80").await, "service/d exposed\n");
    assert!(kubectl.ok("get service d").await.contains("80/TCP"));
    assert!(kubectl.ok("describe deployment d").await.contains("2 desired | "));
    kubectl.ok("delete deployment d --timeout=60s").await;
    assert!(kubectl.refused("get deployment d", "").await.contains("NotFound"));
}

#[tokio::test]
async fn rights_are_told_and_enforced() {
    let Some(kubectl) = Kubectl::start(Start::Blank).await else { return };
    kubectl.ok("create serviceaccount reader").await;
    kubectl.ok("create role reads-pods --verb=get,list --resource=pods").await;
    kubectl.ok("create rolebinding reads-pods --role=reads-pods --serviceaccount=default:reader").await;
    let reader = "--as system:serviceaccount:default:reader";
    assert_eq!(kubectl.ok(&format!("auth can-i list pods {reader}")).await, "yes\n");
    assert_eq!(kubectl.run(&format!("auth can-i list secrets {reader}"), "").await.out, "no\n");
    assert_eq!(kubectl.run(&format!("auth can-i list pods -n kube-system {reader}"), "").await.out, "no\n");
    kubectl.ok(&format!("get pods {reader}")).await;
    let complaint = kubectl.refused(&format!("get secrets {reader}"), "").await;
    assert!(complaint.contains("User \"system:serviceaccount:default:reader\" cannot list resource \"secrets\""));
    let token = kubectl.ok("create token reader --duration=10m").await;
    let said = kubectl
        .args(&["auth", "whoami", "--token", token.trim(), "-o", "jsonpath={.status.userInfo.username}"], "")
        .await;
    // The administrator's credentials of the kubeconfig come first or not, by kubectl's own rules: either is an answer.
    assert_eq!(said.code, 0, "{}", said.error);
    assert!(
        said.out.starts_with("system:serviceaccount:default:reader") || said.out == "kubernetes-admin",
        "{}",
        said.out
    );
}

#[tokio::test]
async fn the_api_describes_itself() {
    let Some(kubectl) = Kubectl::start(Start::Blank).await else { return };
    assert_eq!(kubectl.ok("get --raw /readyz").await, "ok");
    assert!(kubectl.ok("version").await.contains("Server Version: v1."));
    assert!(kubectl.ok("explain deployment.spec.replicas").await.contains("FIELD: replicas <integer>"));
    assert!(kubectl.ok("api-resources --api-group=apps").await.contains("StatefulSet"));
    assert!(kubectl.ok("get all -A").await.contains("service/kubernetes"));
    let definition = "
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.example.com}
spec:
  group: example.com
  scope: Namespaced
  names: {plural: widgets, kind: Widget, shortNames: [wi]}
  versions:
  - name: v1
    served: true
    storage: true
    additionalPrinterColumns: [{name: Size, type: integer, jsonPath: .spec.size}]
    schema:
      openAPIV3Schema:
        type: object
        properties:
          spec: {type: object, properties: {size: {type: integer, description: How large it is.}}}
";
    kubectl.ok_with("apply --server-side -f -", definition).await;
    kubectl.ok("wait customresourcedefinition/widgets.example.com --for=condition=Established --timeout=10s").await;
    assert!(kubectl.ok("explain widget.spec.size").await.contains("How large it is."));
    let widget = "apiVersion: example.com/v1\nkind: Widget\nmetadata: {name: w}\nspec: {size: 3}\n";
    assert_eq!(kubectl.ok_with("apply -f -", widget).await, "widget.example.com/w created\n");
    let table = kubectl.ok("get wi").await;
    assert_eq!(table.split_whitespace().collect::<Vec<_>>(), ["NAME", "SIZE", "w", "3"]);
    let said = kubectl.run("get wi --watch --request-timeout=1s", "").await;
    assert!(said.out.contains("w      3"), "{}{}", said.out, said.error);
}

#[tokio::test]
async fn a_release_is_listed_whole() {
    let Some(kubectl) = Kubectl::start(Start::Release(Release::V1_9_1)).await else { return };
    let all = kubectl.ok("get all -A").await;
    for object in ["deployment.apps/istiod", "deployment.apps/centraldashboard", "service/istio-ingressgateway"] {
        assert!(all.contains(object), "{object} is not in:\n{all}");
    }
    let wide = kubectl.ok("get pods,services,deployments,statefulsets,configmaps,secrets -A -o wide").await;
    assert!(wide.lines().count() > 100, "{wide}");
}
