//! A way to a gateway that has no address here: a port of this machine forwarded through the API server to the ready
//! pod behind Service `istio-ingressgateway`, as `kubectl port-forward` does it.
//!
//! kubeflow/manifests gives that Service type ClusterIP in every release (`common/istio*/istio-install/base/patches/
//! service.yaml`), so this is the way that most platforms are reached.

use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use k8s_openapi::api::core::v1::{Pod, Service, ServicePort};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::api::{Api, ListParams, Portforwarder};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use url::Url;

use crate::kubernetes::describe;

/// Where the manifests put the gateway.
const NAMESPACE: &str = "istio-system";
/// Its Service.
const SERVICE: &str = "istio-ingressgateway";
/// How long a forwarded connection may linger after both sides are done.
const LINGER: Duration = Duration::from_secs(1);

/// Why no port can be forwarded.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ForwardError {
    /// There is no such Service.
    #[error(
        "there is no Service {NAMESPACE}/{SERVICE} to forward a port to; pass the gateway's address: --gateway-url"
    )]
    NoService,
    /// The Service has no port for plain HTTP, or it leads nowhere.
    #[error("Service {NAMESPACE}/{SERVICE} has no port 80 that leads to a container; pass --gateway-url")]
    NoPort,
    /// No pod behind the Service is ready.
    #[error(
        "no pod behind Service {NAMESPACE}/{SERVICE} is ready ({seen}); see: kubectl -n {NAMESPACE} get pods -l istio=ingressgateway"
    )]
    NoPod {
        /// How many pods there are.
        seen: String,
    },
    /// The API server refuses or does not answer.
    #[error(
        "cannot forward a port to {what}: {reason}; it takes the rights to get services, list pods and create pods/portforward in {NAMESPACE}, or --gateway-url"
    )]
    Kubernetes {
        /// The object.
        what: String,
        /// The server's words.
        reason: String,
    },
    /// No port of this machine can be taken.
    #[error("cannot listen on 127.0.0.1: {0}")]
    Listen(String),
}

/// A forwarded port. Dropping it closes it.
#[derive(Debug)]
pub struct Forward {
    url: Url,
    stop: CancellationToken,
    trouble: Arc<Mutex<Option<ForwardError>>>,
}

impl Forward {
    /// Forwards a free port of 127.0.0.1 to the gateway, and tries it once.
    ///
    /// # Errors
    /// [`ForwardError`].
    pub async fn to_gateway(client: kube::Client) -> Result<Self, ForwardError> {
        let gateway = Arc::new(Gateway { client, pod: Mutex::new(None) });
        let (trial, _) = gateway.open().await?;
        trial.abort();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .map_err(|error| ForwardError::Listen(error.to_string()))?;
        let address = listener.local_addr().map_err(|error| ForwardError::Listen(error.to_string()))?;
        let url = Url::parse(&format!("http://{address}/")).map_err(|error| ForwardError::Listen(error.to_string()))?;
        let forward = Self { url, stop: CancellationToken::new(), trouble: Arc::default() };
        let serving = serve(listener, gateway, forward.stop.clone(), Arc::clone(&forward.trouble));
        tokio::spawn(forward.stop.clone().run_until_cancelled_owned(serving));
        Ok(forward)
    }

    /// The gateway's base URL on this machine.
    #[must_use]
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// Why the last connection could not be forwarded, if one could not.
    #[must_use]
    pub fn trouble(&self) -> Option<ForwardError> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Forward {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

async fn serve(
    listener: TcpListener,
    gateway: Arc<Gateway>,
    stop: CancellationToken,
    trouble: Arc<Mutex<Option<ForwardError>>>,
) {
    loop {
        let Ok((incoming, _)) = listener.accept().await else {
            // Out of file descriptors, most likely: what is open will end.
            tokio::time::sleep(Duration::from_millis(20)).await;
            continue;
        };
        let (gateway, trouble) = (Arc::clone(&gateway), Arc::clone(&trouble));
        tokio::spawn(stop.clone().run_until_cancelled_owned(async move {
            // A connection that cannot be forwarded is closed: its client sees that nobody answered.
            if let Err(error) = gateway.carry(incoming).await {
                tracing::warn!("{error}");
                *trouble.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
            }
        }));
    }
}

/// The pod to forward to, looked up again when it is gone.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Backend {
    pod: String,
    port: u16,
}

struct Gateway {
    client: kube::Client,
    pod: Mutex<Option<Backend>>,
}

impl Gateway {
    /// One port-forward of its own for one connection, as the API server wants it.
    async fn carry(&self, mut incoming: TcpStream) -> Result<(), ForwardError> {
        let (mut forwarder, port) = self.open().await?;
        if let Some(mut pod) = forwarder.take_stream(port) {
            // Either side may break off at any time; the client of this connection sees it as it is.
            _ = tokio::io::copy_bidirectional(&mut incoming, &mut pod).await;
        }
        _ = tokio::time::timeout(LINGER, forwarder.join()).await;
        Ok(())
    }

    /// A port-forward to the known pod, or to another if that does not take it.
    async fn open(&self) -> Result<(Portforwarder, u16), ForwardError> {
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), NAMESPACE);
        let known = self.pod.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(backend) = known
            && let Ok(forwarder) = pods.portforward(&backend.pod, &[backend.port]).await
        {
            return Ok((forwarder, backend.port));
        }
        let backend = self.look_up().await?;
        let opened = pods.portforward(&backend.pod, &[backend.port]).await;
        let forwarder = opened.map_err(|error| failed(format!("pod {NAMESPACE}/{}", backend.pod), &error))?;
        let port = backend.port;
        *self.pod.lock().unwrap_or_else(PoisonError::into_inner) = Some(backend);
        Ok((forwarder, port))
    }

    async fn look_up(&self) -> Result<Backend, ForwardError> {
        let services: Api<Service> = Api::namespaced(self.client.clone(), NAMESPACE);
        let service = services.get(SERVICE).await.map_err(|error| match error {
            kube::Error::Api(status) if status.code == 404 => ForwardError::NoService,
            other => failed(format!("Service {NAMESPACE}/{SERVICE}"), &other),
        })?;
        let spec = service.spec.ok_or(ForwardError::NoService)?;
        let selector: Vec<String> =
            spec.selector.unwrap_or_default().iter().map(|(label, value)| format!("{label}={value}")).collect();
        if selector.is_empty() {
            return Err(ForwardError::NoPod { seen: "the Service selects none".to_owned() });
        }
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), NAMESPACE);
        let found = pods.list(&ListParams::default().labels(&selector.join(","))).await;
        let found = found.map_err(|error| failed(format!("the pods in {NAMESPACE}"), &error))?.items;
        let pod = found.iter().find(|pod| is_ready(pod)).ok_or_else(|| no_pod(&found))?;
        let ports = spec.ports.unwrap_or_default();
        let port =
            ports.iter().find(|port| port.port == 80).and_then(|port| target(port, pod)).ok_or(ForwardError::NoPort)?;
        Ok(Backend { pod: pod.metadata.name.clone().unwrap_or_default(), port })
    }
}

fn failed(what: String, error: &kube::Error) -> ForwardError {
    ForwardError::Kubernetes { what, reason: describe(error) }
}

fn no_pod(found: &[Pod]) -> ForwardError {
    let seen = match found.len() {
        0 => "there is none".to_owned(),
        1 => "there is 1".to_owned(),
        many => format!("there are {many}"),
    };
    ForwardError::NoPod { seen }
}

fn is_ready(pod: &Pod) -> bool {
    let conditions = pod.status.as_ref().and_then(|status| status.conditions.as_ref());
    pod.metadata.deletion_timestamp.is_none()
        && conditions.is_some_and(|all| all.iter().any(|one| one.type_ == "Ready" && one.status == "True"))
}

/// The container port that a Service port leads to: a number, or the name of one.
fn target(port: &ServicePort, pod: &Pod) -> Option<u16> {
    let number = match &port.target_port {
        None => port.port,
        Some(IntOrString::Int(number)) => *number,
        Some(IntOrString::String(name)) => {
            let containers = &pod.spec.as_ref()?.containers;
            let mut ports = containers.iter().flat_map(|container| container.ports.iter().flatten());
            ports.find(|port| port.name.as_ref() == Some(name))?.container_port
        }
    };
    u16::try_from(number).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use wiremock::matchers::{path, query_param};
    use wiremock::{Mock, MockServer, ResponseTemplate};

    use super::*;

    fn pod(name: &str, ready: bool) -> Value {
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name},
            "spec": {"containers": [{"name": "istio-proxy", "ports": [{"name": "web", "containerPort": 8080}]}]},
            "status": {"conditions": [{"type": "Ready", "status": if ready { "True" } else { "False" }}]}})
    }

    async fn look_up(service: Option<Value>, pods: Vec<Value>) -> Result<Backend, ForwardError> {
        crate::init();
        let server = MockServer::start().await;
        if let Some(spec) = service {
            let service = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": SERVICE}, "spec": spec});
            let at = "/api/v1/namespaces/istio-system/services/istio-ingressgateway";
            Mock::given(path(at)).respond_with(ResponseTemplate::new(200).set_body_json(service)).mount(&server).await;
        }
        let list = json!({"apiVersion": "v1", "kind": "PodList", "metadata": {}, "items": pods});
        Mock::given(path("/api/v1/namespaces/istio-system/pods"))
            .and(query_param("labelSelector", "app=gw,istio=ingressgateway"))
            .respond_with(ResponseTemplate::new(200).set_body_json(list))
            .mount(&server)
            .await;
        let client = kube::Client::try_from(kube::Config::new(server.uri().parse().unwrap())).unwrap();
        Gateway { client, pod: Mutex::new(None) }.look_up().await
    }

    fn service(target: Value) -> Option<Value> {
        let selector = json!({"istio": "ingressgateway", "app": "gw"});
        Some(json!({"selector": selector, "ports": [{"port": 15021}, {"port": 80, "targetPort": target}]}))
    }

    #[tokio::test]
    async fn the_ready_pod_behind_port_80_is_taken() {
        let pods = vec![pod("old", false), pod("new", true)];
        for target in [json!(8080), json!("web")] {
            let backend = look_up(service(target), pods.clone()).await.unwrap();
            assert_eq!(backend, Backend { pod: "new".into(), port: 8080 });
        }
    }

    #[tokio::test]
    async fn what_is_missing_is_named_with_the_next_step() {
        let no_service = look_up(None, Vec::new()).await.unwrap_err().to_string();
        assert!(
            no_service.contains("no Service istio-system/istio-ingressgateway") && no_service.contains("--gateway-url")
        );
        let not_ready = look_up(service(json!(8080)), vec![pod("a", false)]).await.unwrap_err().to_string();
        assert!(not_ready.contains("is ready (there is 1)"), "{not_ready}");
        let no_port = look_up(service(json!("other")), vec![pod("a", true)]).await.unwrap_err();
        assert!(matches!(no_port, ForwardError::NoPort));
    }
}
