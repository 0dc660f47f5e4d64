//! Hosts of stores in a text.

use std::collections::BTreeSet;

/// What the names of stores speak of.
const STORES: [&str; 5] = ["mysql", "mariadb", "minio", "seaweedfs", "postgresql"];
/// Services that the release brings, as `name.namespace`.
const BUNDLED: [&str; 6] = [
    "mysql.kubeflow",
    "katib-mysql.kubeflow",
    "minio-service.kubeflow",
    "minio.kubeflow",
    "seaweedfs.kubeflow",
    "model-registry-db.kubeflow",
];

/// The stores that a text names and that the release does not bring, as `name.namespace`.
#[must_use]
pub fn strangers(text: &str, namespaces: &BTreeSet<String>) -> BTreeSet<String> {
    let word = |c: char| !(c.is_ascii_alphanumeric() || c == '-' || c == '.');
    text.split(word).filter_map(|word| stranger(word, namespaces)).collect()
}

fn stranger(word: &str, namespaces: &BTreeSet<String>) -> Option<String> {
    let mut labels = word.trim_matches('.').split('.');
    let (name, namespace) = (labels.next()?, labels.next()?);
    let is_service = match labels.next() {
        Some("svc") => true,
        None => namespaces.contains(namespace),
        Some(_) => false,
    };
    let host = format!("{name}.{namespace}");
    let speaks = STORES.iter().any(|store| name.contains(store));
    (is_service && speaks && !BUNDLED.contains(&host.as_str())).then_some(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_services_of_other_stores_are_strangers() {
        let namespaces: BTreeSet<String> = ["storage", "kubeflow"].map(str::to_owned).into();
        let found = |text: &str| strangers(text, &namespaces).into_iter().collect::<Vec<_>>();
        assert_eq!(found("endpoint: old-minio.storage.svc.cluster.local:9000"), ["old-minio.storage"]);
        assert_eq!(found("jdbc:mysql://release-mysql.storage/db"), ["release-mysql.storage"]);
        for fine in [
            "mysql.kubeflow:3306 minio-service.kubeflow.svc.cluster.local",
            "gcr.io/ml-pipeline/minio:RELEASE.2019 bitnami/mysql:8.0.26 mysql-deployment.yaml",
            "minio.example.com my.cnf mysql",
            "",
        ] {
            assert!(found(fine).is_empty(), "{fine}");
        }
    }
}
