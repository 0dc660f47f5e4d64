#!/usr/bin/env python3
"""Writes types.txt and ../wire/numbers.txt from Kubernetes' published API descriptions.

    generate.py SWAGGER PROTO_DIR

SWAGGER is api/openapi-spec/swagger.json of a Kubernetes release; PROTO_DIR holds the generated.proto files of the
repositories kubernetes/api and kubernetes/apimachinery of the same release, in their folders. Only names, types, merge
rules and field numbers are taken. The committed files are those of Kubernetes 1.34.
"""

import json
import pathlib
import re
import sys

here = pathlib.Path(__file__).parent
swagger = json.load(open(sys.argv[1]))["definitions"]
protos = pathlib.Path(sys.argv[2])

PREFIXES = (
    "io.k8s.apimachinery.pkg.apis.",
    "io.k8s.apiextensions-apiserver.pkg.apis.",
    "io.k8s.kube-aggregator.pkg.apis.",
    "io.k8s.api.",
)
LEAVES = {
    "io.k8s.apimachinery.pkg.api.resource.Quantity": "quantity",
    "io.k8s.apimachinery.pkg.apis.meta.v1.Time": "time",
    "io.k8s.apimachinery.pkg.apis.meta.v1.MicroTime": "microtime",
    "io.k8s.apimachinery.pkg.apis.meta.v1.FieldsV1": "any",
    "io.k8s.apimachinery.pkg.runtime.RawExtension": "any",
    "io.k8s.apimachinery.pkg.util.intstr.IntOrString": "intstr",
}
# Keys of list maps that have a default (`+default="TCP"` in types.go).
DEFAULTS = {"protocol": "TCP"}
SKIPPED_VERSIONS = re.compile(r"\.v\d+(alpha|beta)\d*\.")


def short(name):
    for prefix in PREFIXES:
        if name.startswith(prefix):
            return name[len(prefix):]
    return name


def is_any(definition):
    return "properties" not in definition and definition.get("type") in (None, "object")


def type_of(schema, wanted):
    if "$ref" in schema:
        name = schema["$ref"].split("/")[-1]
        if name in LEAVES:
            return LEAVES[name]
        if is_any(swagger[name]):
            return "any"
        wanted.append(name)
        return short(name)
    kind = schema.get("type")
    if kind == "array":
        return f"[{type_of(schema['items'], wanted)}]"
    if kind == "object":
        return "{%s}" % type_of(schema["additionalProperties"], wanted)
    return {
        ("string", "byte"): "bytes",
        ("string", "date-time"): "time",
        ("string", None): "string",
        ("boolean", None): "bool",
        ("number", "double"): "number",
        ("integer", "int32"): "int32",
        ("integer", "int64"): "int64",
        ("integer", None): "int64",
    }[kind, schema.get("format")]


def field_line(name, schema, required, wanted):
    words = [name, type_of(schema, wanted)]
    if required:
        words.append("!")
    if schema.get("x-kubernetes-map-type") == "atomic":
        words.append("atomic")
    if schema.get("x-kubernetes-list-type") == "set":
        words.append("set")
    if schema.get("x-kubernetes-list-type") == "map":
        keys = [f"{key}:{DEFAULTS[key]}" if key in DEFAULTS else key for key in schema["x-kubernetes-list-map-keys"]]
        words.append("keys=" + ",".join(keys))
    for strategy in schema.get("x-kubernetes-patch-strategy", "").split(","):
        if strategy == "merge":
            key = schema.get("x-kubernetes-patch-merge-key")
            words.append(f"merge={key}" if key else "merge")
        elif strategy == "retainKeys":
            words.append("retain")
    return " " + " ".join(words)


def types():
    wanted, done, blocks = [], {}, []
    for name, definition in sorted(swagger.items()):
        kinds = definition.get("x-kubernetes-group-version-kind", [])
        if len(kinds) == 1 and not SKIPPED_VERSIONS.search(name) and not kinds[0]["kind"].endswith("List"):
            wanted.append(name)
    while wanted:
        name = wanted.pop(0)
        if name in done:
            continue
        definition = swagger[name]
        head = short(name)
        if definition.get("x-kubernetes-map-type") == "atomic":
            head += " atomic"
        kinds = definition.get("x-kubernetes-group-version-kind", [])
        if len(kinds) == 1:
            head += f" kind={kinds[0]['group']}/{kinds[0]['version']}/{kinds[0]['kind']}"
        required = definition.get("required", [])
        fields = [
            field_line(field, schema, field in required, wanted)
            for field, schema in definition.get("properties", {}).items()
        ]
        done[name] = "\n".join([head, *fields])
    return "\n".join(done[name] for name in sorted(done, key=short)) + "\n"


MESSAGE = re.compile(r"^message (\w+) \{(.*?)^\}", re.M | re.S)
FIELD = re.compile(r"^  (optional|repeated|map)(?:<string, ([\w.]+)>| ([\w.]+)) (\w+) = (\d+);", re.M)
SCALARS = {
    "string": "string", "bytes": "bytes", "bool": "bool", "double": "double",
    "int32": "int", "int64": "int", "uint32": "int", "uint64": "int",
}
WIRE_LEAVES = {
    "api.resource.Quantity": "quantity",
    "meta.v1.Time": "time",
    "meta.v1.MicroTime": "time",
    "meta.v1.Duration": "int",
    "util.intstr.IntOrString": "intstr",
    "meta.v1.FieldsV1": "raw",
    "runtime.RawExtension": "raw",
    "authentication.v1.ExtraValue": "[string]",
    "authorization.v1.ExtraValue": "[string]",
    "certificates.v1.ExtraValue": "[string]",
}
# Names that JSON spells otherwise.
SPELLED = {"uID": "uid", "aPIGroup": "apiGroup"}
# Kinds that typed clients send as protobuf (kubectl's imperative commands, client-go without configuration).
SENT = """
    core.v1: Binding ConfigMap Endpoints Event LimitRange Namespace Node PersistentVolume PersistentVolumeClaim Pod PodTemplate
        ReplicationController ResourceQuota Secret Service ServiceAccount
    apps.v1: ControllerRevision DaemonSet Deployment ReplicaSet StatefulSet
    authentication.v1: SelfSubjectReview TokenRequest TokenReview
    authorization.v1: LocalSubjectAccessReview SelfSubjectAccessReview SelfSubjectRulesReview SubjectAccessReview
    autoscaling.v1: HorizontalPodAutoscaler Scale
    autoscaling.v2: HorizontalPodAutoscaler
    batch.v1: CronJob Job
    certificates.v1: CertificateSigningRequest
    coordination.v1: Lease
    discovery.v1: EndpointSlice
    events.v1: Event
    meta.v1: DeleteOptions
    networking.v1: Ingress IngressClass NetworkPolicy
    policy.v1: Eviction PodDisruptionBudget
    rbac.v1: ClusterRole ClusterRoleBinding Role RoleBinding
    scheduling.v1: PriorityClass
    storage.v1: StorageClass
"""


def wire():
    messages = {}
    for path in sorted(protos.rglob("generated.proto")):
        package = re.search(r"^package ([\w.]+);", path.read_text(), re.M).group(1)
        for name, body in MESSAGE.findall(path.read_text()):
            messages[f"{package}.{name}"] = (package, FIELD.findall(body))

    def wire_short(name):
        for prefix in ("k8s.io.apimachinery.pkg.apis.", "k8s.io.apimachinery.pkg.", "k8s.io.api."):
            if name.startswith(prefix):
                return name[len(prefix):]
        return name

    def wire_type(text, package, wanted):
        if text in SCALARS:
            return SCALARS[text]
        name = text.lstrip(".") if text.startswith(".") else f"{package}.{text}"
        leaf = WIRE_LEAVES.get(wire_short(name))
        if leaf:
            return leaf
        wanted.append(name)
        return wire_short(name)

    wanted = []
    for word in SENT.split():
        if word.endswith(":"):
            package = word[:-1]
        else:
            parent = "k8s.io.apimachinery.pkg.apis" if package == "meta.v1" else "k8s.io.api"
            wanted.append(f"{parent}.{package}.{word}")
    done = {}
    while wanted:
        name = wanted.pop(0)
        if name in done:
            continue
        package, fields = messages[name]
        known = swagger.get("io.k8s." + name[len("k8s.io."):], {}).get("properties")
        lines = [wire_short(name)]
        for label, value, kind, field, number in fields:
            text = wire_type(value or kind, package, wanted)
            field = SPELLED.get(field, field)
            if value:
                text = "{%s}" % text
            elif label == "repeated":
                text = f"[{text}]"
            # What is one message on the wire may be written out in place in JSON.
            inline = known is not None and field not in known and "." in text and field != "metadata"
            lines.append(f" {number} {'*' if inline else field} {text}")
        done[name] = "\n".join(lines)
    return "\n".join(done[name] for name in sorted(done, key=wire_short)) + "\n"


(here / "types.txt").write_text(types())
(here.parent / "wire" / "numbers.txt").write_text(wire())
