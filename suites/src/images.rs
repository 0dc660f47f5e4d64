//! The images of the containers that checks start, for sites that have to mirror them beforehand. A run's pods have no
//! other: a test holds this table against them.
//!
//! What the platform starts for a run (a notebook, a suggestion's service) has the image that its configuration names. Where
//! that is told stands here; kubeflow/manifests names others with each release.

use harness::check::Image;

/// A shell: the steps of pipelines and the trials of experiments need no more.
pub const BUSYBOX: &str = "busybox:1.36";
/// What runs in it.
pub const SHELL: Image = Image::of_ours("steps of pipelines, trials of experiments", BUSYBOX);
/// A probe.
pub const PROBE: Image = Image::of_the_platform(
    "probes inside the cluster, unless --probe-image names another",
    "the container istio-proxy of a pod of istio-system; nodes with a sidecar have it",
);
/// The programs around a step of a pipeline.
pub const STEPS: Image = Image::of_the_platform(
    "driver and launcher of a pipeline's steps",
    "V2_DRIVER_IMAGE and V2_LAUNCHER_IMAGE of Deployment kubeflow/ml-pipeline, else digests compiled into its program",
);
/// What watches a step for Argo.
pub const EXECUTOR: Image = Image::of_the_platform(
    "Argo's init and wait containers",
    "--executor-image of Deployment kubeflow/workflow-controller",
);
/// What each Profile is given for its artifacts.
pub const PROFILES: Image = Image::of_the_platform(
    "each Profile's servers of artifacts and visualizations",
    "FRONTEND_IMAGE, VISUALIZATION_SERVER_IMAGE and their tags of Deployment kubeflow/kubeflow-pipelines-profile-controller, else its sync.py in ConfigMap kubeflow/kubeflow-pipelines-profile-controller-code",
);
/// What Katib starts for an experiment.
pub const KATIB: Image = Image::of_the_platform(
    "services of suggestions, collectors of metrics",
    "suggestions and metricsCollectors in ConfigMap kubeflow/katib-config",
);
/// A notebook.
pub const NOTEBOOK: Image = Image::of_the_platform(
    "notebook servers",
    "spawnerFormDefaults.image.value in ConfigMap kubeflow/jupyter-web-app-config-…",
);
/// A TensorBoard.
pub const TENSORBOARD: Image = Image::of_the_platform(
    "TensorBoards",
    "TENSORBOARD_IMAGE in ConfigMap kubeflow/tensorboard-controller-config-…, else tensorflow/tensorflow:2.5.1, compiled into its controller",
);
/// What shows a volume.
pub const VIEWER: Image = Image::of_the_platform(
    "viewers of volumes",
    "the PVCViewer's spec, or the default compiled into Deployment kubeflow/pvcviewer-controller-manager",
);
