#!/usr/bin/env python3
"""The least that an installation can take: everything is written by server-side apply over 16 connections, with one wait
for the definitions to be established. Knows nothing of order beyond namespaces and definitions, and repeats nothing.

    apply-everything.py KUBECONFIG MANIFESTS.yaml      needs python3-yaml
"""
import base64, concurrent.futures, http.client, json, ssl, sys, tempfile, threading, time, urllib.parse
import yaml

Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
with open(sys.argv[1]) as file:
    config = yaml.load(file, Loader)
cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
context = ssl.create_default_context(cadata=base64.b64decode(cluster["certificate-authority-data"]).decode())
with tempfile.NamedTemporaryFile() as pair:
    pair.write(base64.b64decode(user["client-certificate-data"]) + base64.b64decode(user["client-key-data"]))
    pair.flush()
    context.load_cert_chain(pair.name)
server = urllib.parse.urlparse(cluster["server"])
local = threading.local()


def ask(verb, path, body=None):
    if not hasattr(local, "connection"):
        local.connection = http.client.HTTPSConnection(server.hostname, server.port, context=context)
    local.connection.request(verb, path, body, {"Content-Type": "application/apply-patch+yaml"} if body else {})
    answer = local.connection.getresponse()
    return answer.status, answer.read()


with open(sys.argv[2]) as file:
    objects = [one for one in yaml.load_all(file, Loader) if one]
definitions = [one for one in objects if one["kind"] == "CustomResourceDefinition"]
kinds = {}
for one in definitions:
    spec = one["spec"]
    for version in spec["versions"]:
        key = (f"{spec['group']}/{version['name']}", spec["names"]["kind"])
        kinds[key] = (spec["names"]["plural"], spec["scope"] == "Namespaced")
for version in {one["apiVersion"] for one in objects} - {version for version, _ in kinds}:
    for one in json.loads(ask("GET", f"/apis/{version}" if "/" in version else f"/api/{version}")[1]).get("resources", []):
        if "/" not in one["name"]:
            kinds[(version, one["kind"])] = (one["name"], one["namespaced"])


def write(one):
    version, meta = one["apiVersion"], one["metadata"]
    plural, namespaced = kinds[(version, one["kind"])]
    root = f"/apis/{version}" if "/" in version else f"/api/{version}"
    space = f"/namespaces/{meta.get('namespace', 'default')}" if namespaced else ""
    path = f"{root}{space}/{plural}/{urllib.parse.quote(meta['name'])}?fieldManager=bound&force=true"
    status, answer = ask("PATCH", path, json.dumps(one).encode())
    if status >= 300:
        print(f"{one['kind']} {meta['name']}: {status} {answer[:200]!r}", file=sys.stderr)
    return status < 300


def established(one):
    while True:
        status, answer = ask("GET", f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{one['metadata']['name']}")
        conditions = json.loads(answer).get("status", {}).get("conditions") or []
        if status == 200 and any(c["type"] == "Established" and c["status"] == "True" for c in conditions):
            return
        time.sleep(0.2)


pool = concurrent.futures.ThreadPoolExecutor(16)
started = time.monotonic()
spaces = [one for one in objects if one["kind"] == "Namespace"]
first = list(pool.map(write, spaces)) + list(pool.map(write, definitions))
list(pool.map(established, definitions))
settled = time.monotonic() - started
rest = list(pool.map(write, [one for one in objects if one not in spaces and one not in definitions]))
refused = (first + rest).count(False)
print(f"{time.monotonic() - started:.1f} s for {len(objects)} objects, {refused} refused; definitions established after {settled:.1f} s")
sys.exit(refused > 0)
