use proptest::prelude::*;

use super::*;

fn read(text: &str) -> Result<Vec<Manifest>, ManifestError> {
    objects("some.yaml", text)
}

fn names(text: &str) -> Vec<String> {
    read(text).expect("readable").iter().map(|manifest| manifest.id.to_string()).collect()
}

const MAP: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: ";

#[test]
fn documents_are_found_with_their_places() {
    let text = format!("# head\n---\n{MAP}a\n---\n# nothing\n---\n\n{MAP}b\n  namespace: ns\n--- # c\n{MAP}c\n...\n");
    let found = read(&text).expect("readable");
    let places: Vec<_> = found.iter().map(|m| (m.id.name.as_str(), m.place.document, m.place.line)).collect();
    assert_eq!(places, [("a", 1, 3), ("b", 3, 11), ("c", 4, 17)]);
    assert_eq!(found[1].id.to_string(), "ConfigMap ns/b");
}

#[test]
fn a_separator_inside_a_block_scalar_is_indented_and_stays() {
    let text = format!("{MAP}a\ndata:\n  x: |\n    ---\n    ...\n    y\n---\n{MAP}b\n");
    let found = read(&text).expect("readable");
    assert_eq!(found[0].body["data"]["x"], "---\n...\ny\n");
    assert_eq!(found.len(), 2);
}

#[test]
fn directives_windows_lines_byte_order_marks_and_json_are_read() {
    assert_eq!(
        names(&format!("%YAML 1.1\n---\n{MAP}a\n...\n%YAML 1.1\n---\n{MAP}b\n")),
        ["ConfigMap a", "ConfigMap b"]
    );
    let windows = format!("\u{feff}{MAP}a\n---\n{MAP}b\n").replace('\n', "\r\n");
    assert_eq!(names(&windows), ["ConfigMap a", "ConfigMap b"]);
    let json = "{\"apiVersion\":\"v1\",\n\t\"kind\":\"Secret\",\"metadata\":{\"name\":\"a\"}}";
    assert_eq!(names(json), ["Secret a"]);
}

#[test]
fn lists_are_unpacked() {
    let list = "apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: Secret, metadata: {name: a}}\n\
                - {apiVersion: apps/v1, kind: Deployment, metadata: {name: b, namespace: ns}}\n";
    assert_eq!(names(list), ["Secret a", "Deployment ns/b"]);
}

#[test]
fn what_is_no_object_is_named_with_file_document_and_line() {
    for (text, words) in [
        (format!("{MAP}a\n---\n- 1\n"), "some.yaml, document 2, line 6: not a Kubernetes object: it is a list"),
        ("apiVersion: v1\nmetadata: {name: a}\n".into(), "kind is missing"),
        ("kind: Secret\nmetadata: {name: a}\n".into(), "apiVersion is missing (kind Secret)"),
        ("apiVersion: v1\nkind: Secret\n".into(), "metadata.name is missing (kind Secret)"),
        ("apiVersion: v1\nkind: Secret\nmetadata: {generateName: a-}\n".into(), "metadata.name is missing"),
        ("apiVersion: v1\nkind: Secret\nmetadata: {name: 12}\n".into(), "metadata.name is a number, quote it"),
        ("apiVersion: a/b/c\nkind: Secret\nmetadata: {name: a}\n".into(), "apiVersion is \"a/b/c\""),
        ("apiVersion: v1\nkind: List\nitems: {}\n".into(), "a List whose items are no list"),
        (format!("{MAP}a\n---\n{MAP}b\nx: [1\n"), "some.yaml, document 2, line 10: not usable YAML"),
        (format!("{MAP}a\n---\n# x\n{MAP}a\n"), "ConfigMap a stands twice: document 1, line 1 and document 2, line 7"),
        ("# nothing\n---\n".into(), "some.yaml holds no Kubernetes object"),
        ("<html>\n<body>\n<a href=\"x\">: </body>".into(), "some.yaml, document 1, line"),
    ] {
        let error = read(&text).expect_err(words).to_string();
        assert!(error.contains(words), "{error}\nshould contain\n{words}");
    }
}

#[test]
fn one_group_may_hold_the_name_of_another() {
    let text = "{apiVersion: serving.knative.dev/v1, kind: Service, metadata: {name: a}}\n---\n\
                {apiVersion: v1, kind: Service, metadata: {name: a}}\n";
    assert_eq!(read(text).expect("two objects").len(), 2);
    let versions = text.replace("v1, kind: Service", "v1beta1, kind: Service") + "---\n" + text;
    assert!(matches!(read(&versions), Err(ManifestError::Duplicate { .. })));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn no_text_makes_it_panic(text in "(?s).{0,200}") {
        let _ = read(&text);
    }

    #[test]
    fn no_yaml_like_text_makes_it_panic(lines in prop::collection::vec(
        r"( {0,4}(- |\? |: |[a-z]{1,3}: |&a |\*a |<<: |! |!!str |\||>-|'|\x22|\{|\[|\]|\}|,|#|%|~|0x|\.\.\.|---|[a-z0-9]{1,4}|\t)){0,5}",
        0..12,
    )) {
        let _ = read(&lines.join("\n"));
    }

    #[test]
    fn a_cut_file_is_an_error_or_fewer_objects(cut in 0_usize..400) {
        let whole = (0..5).map(|i| format!("{MAP}n{i}\ndata: {{a: \"b\"}}\n")).collect::<Vec<_>>().join("---\n");
        let cut = cut.min(whole.len());
        if let Ok(found) = read(&whole[..cut]) {
            prop_assert!(found.len() <= 5);
            prop_assert!(found.iter().all(|manifest| !manifest.id.name.is_empty()));
        }
    }

    #[test]
    fn split_loses_no_document(names in prop::collection::vec("[a-z]{1,8}", 1..20)) {
        let distinct: std::collections::BTreeSet<_> = names.iter().collect();
        let text: String = distinct.iter().map(|name| format!("---\n{MAP}{name}x\n")).collect();
        prop_assert_eq!(read(&text).expect("readable").len(), distinct.len());
    }
}
