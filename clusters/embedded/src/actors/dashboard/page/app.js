"use strict";
const byId = (id) => document.getElementById(id);
const make = (tag, text) => Object.assign(document.createElement(tag), { textContent: text });

const open = (link, text) => {
  const frame = make("iframe", "");
  frame.src = link;
  frame.title = text;
  byId("content").replaceChildren(make("h1", text), frame);
};

const entry = (item) => {
  if (item.items) return [make("b", item.text), ...item.items.flatMap(entry)];
  const link = make("a", item.text);
  link.href = "/_" + item.link;
  link.addEventListener("click", (event) => { event.preventDefault(); open(item.link, item.text); });
  return [link];
};

const load = async (path) => {
  const answer = await fetch(path);
  if (!answer.ok) throw new Error(`${path}: ${answer.status}`);
  return answer.json();
};

const start = async () => {
  const [info, links] = await Promise.all([load("/api/workgroup/env-info"), load("/api/dashboard-links")]);
  byId("user").textContent = info.user;
  const logout = info.platform.logoutUrl || "/";
  byId("logout").href = logout;
  // oidc-authservice ends a session on POST with the session's id as bearer; oauth2-proxy on a plain visit.
  const session = document.cookie.match(/(?:^|; )authservice_session=([^;]+)/);
  if (session) byId("logout").addEventListener("click", async (event) => {
    event.preventDefault();
    const answer = await fetch(logout, { method: "POST", headers: { Authorization: `Bearer ${session[1]}` } });
    location.href = (await answer.json()).afterLogoutURL;
  });
  byId("menu").replaceChildren(...links.menuLinks.flatMap(entry));
  byId("namespace").replaceChildren(...info.namespaces.map((n) => make("option", `${n.namespace} (${n.role})`)));
  const rows = info.namespaces.map((n) => {
    const row = make("tr", "");
    row.append(make("td", n.namespace), make("td", n.role));
    return row;
  });
  const table = make("table", "");
  const head = make("tr", "");
  head.append(make("th", "Namespace"), make("th", "Role"));
  table.append(head, ...rows);
  byId("content").replaceChildren(make("h1", `Welcome, ${info.user}`), table);
};

start().catch((error) => { byId("hint").textContent = `The dashboard cannot be filled: ${error.message}`; });
