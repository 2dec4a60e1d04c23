// One operation
function parameterTable(parameters) {
  const about = (p) => [quiet(`in ${p.in}.`), p.description && h("span", null, rich(p.description))];
  return table(["Name", "Type", "Notes"], parameters.map((p) => row(p.name, p.schema, p.required, 0, about(p))));
}
function errorRow(status, code, { message, retryable, retryAfter }) {
  const again = retryable && quiet(retryAfter ? `Try again after ${retryAfter} s.` : "Try again.");
  return h("tr", null, h("td", null, code), h("td", null, status), h("td", null, h("span", null, message), again));
}

function answers(op) {
  const out = [], errors = [];
  for (const [status, given] of Object.entries(op.responses)) {
    const media = follow(given).content?.[JSON_TYPE], data = media?.schema.properties?.data;
    if (media?.examples) {
      for (const [code, { value }] of Object.entries(media.examples)) errors.push(errorRow(status, code, value.error));
    } else if (media) {
      out.push(h("h4", null, `Answer ${status}`, data && quiet("inside data")),
        table(["Field", "Type", "Notes"], rows(data ?? media.schema, false)),
        more("Example answer", example(media.schema)));
    }
  }
  const same = "304 without a body while `If-None-Match` still holds.";
  if (op.responses["304"]) out.push(h("p", { class: "quiet" }, rich(same)));
  return errors.length ? [...out, h("h4", null, "Errors"), table(["Code", "Status", "Message"], errors)] : out;
}

function details(op) {
  const parameters = (op.parameters ?? []).map(follow), body = follow(op.requestBody);
  const schema = body.content?.[JSON_TYPE].schema;
  return [
    paragraphs(op.description),
    parameters.length > 0 && [h("h4", null, "Parameters"), parameterTable(parameters)],
    schema && [h("h4", null, "Body", quiet(body.required ? "required" : "optional")),
      table(["Field", "Type", "Notes"], rows(schema, true)), more("Example body", example(schema))],
    answers(op),
    tryIt(op, parameters, schema),
  ];
}

function article(op) {
  const box = h("div"), who = op["x-roles"]?.join(", ").toLowerCase() ?? "signed in";
  op.fill = () => { if (!box.hasChildNodes()) box.append(h("div", { class: "inside" }, details(op))); };
  const icon = $("padlock").content.cloneNode(true), label = h("span", { class: "unseen" }, `for ${who}`);
  const lock = op.secured && h("span", { class: "lock" }, icon, h("span", { "aria-hidden": "true" }, who), label);
  const opened = (event) => {
    if (event.target !== event.currentTarget || !event.target.open) return;
    op.fill();
    history.replaceState(null, "", `#${op.operationId}`);
  };
  const path = op.path.replaceAll("/", "/\u200b"); // may be broken after each slash
  const summary = h("summary", null, h("span", { class: `badge ${op.method}` }, op.method.toUpperCase()),
    h("h3", { class: "path" }, path), h("span", { class: "quiet what" }, op.summary), lock);
  return h("details", { class: "op", id: op.operationId, toggle: opened }, summary, box);
}

// Trying it
function control(id, p) {
  const [kind] = kinds(p.schema), words = kind === "boolean" ? ["true", "false"] : follow(bare(p.schema)).enum;
  const options = words?.map((word) => h("option", null, word));
  if (options) return h("select", { id }, h("option", { value: "" }, "–"), options);
  const placeholder = p.schema.default ?? p.schema.format, inputmode = /integer|number/.test(kind) && "decimal";
  return h("input", { id, autocomplete: "off", placeholder, inputmode, required: p.required });
}

function compose(op, inputs, body) {
  const query = new URLSearchParams(), headers = {};
  let path = op.path;
  for (const [p, { value }] of inputs) {
    if (p.in === "path") path = path.replace(`{${p.name}}`, value ? encodeURIComponent(value) : "$&");
    else if (value && p.in === "query") query.set(p.name, value);
    else if (value) headers[p.name] = value;
  }
  const sent = body?.value.trim() || undefined;
  if (sent) headers["Content-Type"] = JSON_TYPE;
  return { method: op.method.toUpperCase(), path: query.size ? `${path}?${query}` : path, headers, body: sent };
}

function curl(op, { method, path, headers, body }) {
  const quoted = (part) => `'${part.replaceAll("'", "'\\''")}'`;
  const parts = ["curl", ...(method === "GET" ? [] : ["-X", method]), quoted(location.origin + path)];
  if (op.secured) parts.push('-H "Authorization: Bearer $TOKEN"');
  for (const [name, value] of Object.entries(headers)) parts.push("-H", quoted(`${name}: ${value}`));
  let data = body;
  try { data = JSON.stringify(JSON.parse(body)); } catch { /* none, or not JSON: as it is */ }
  return [...parts, ...(data ? ["--data", quoted(data)] : [])].join(" ");
}

async function exchange(op, { path, ...request }) {
  const headers = { Accept: JSON_TYPE, ...request.headers };
  if (op.secured && token) headers.Authorization = `Bearer ${token}`;
  const began = performance.now();
  const response = await fetch(path, { ...request, headers, cache: "no-store", credentials: "omit" });
  const answer = await response.text(), time = Math.round(performance.now() - began);
  const look = response.ok || response.status === 304 ? "status" : "status bad";
  const signIn = response.status === 401 && h("button", { type: "button", click: ask }, "Sign in");
  let shown = answer || "(no body)";
  try { shown = json(JSON.parse(answer)); } catch { /* not JSON: shown as it is */ }
  return [
    h("div", { class: "row" }, h("span", { class: look }, `${response.status} ${response.statusText}`),
      quiet(`${time} ms, ${answer.length} characters`), signIn),
    scroller("Answer", shown),
  ];
}

async function copyOf(line, event) {
  const button = event.currentTarget;
  try {
    await navigator.clipboard.writeText(line.textContent);
    button.textContent = "Copied";
  } catch { // no clipboard without TLS
    getSelection().selectAllChildren(line);
    button.textContent = "Selected";
  }
  setTimeout(() => { button.textContent = "Copy curl"; }, 1500);
}

function tryIt(op, parameters, schema) {
  const inputs = parameters.map((p) => [p, control(`${op.operationId}-${p.name}`, p)]);
  const body = schema && h("textarea", { id: `${op.operationId}-body`, spellcheck: "false" });
  if (body) body.value = JSON.stringify(example(schema, true), null, 2);
  if (body) body.rows = Math.min(18, body.value.split("\n").length + 1);
  const line = scroller("curl"), out = h("div", { "aria-live": "polite" });
  const send = h("button", { class: "main" }, "Send");
  const copy = h("button", { type: "button", click: (event) => copyOf(line, event) }, "Copy curl");
  line.classList.add("line");
  const refresh = () => { line.textContent = curl(op, compose(op, inputs, body)); };
  const submit = async (event) => {
    event.preventDefault();
    send.disabled = true;
    try { out.replaceChildren(...await exchange(op, compose(op, inputs, body))); }
    catch (error) { out.replaceChildren(h("p", { class: "status bad" }, `No answer: ${error.message}`)); }
    send.disabled = false;
  };
  refresh();
  return h("form", { class: "try", submit, input: refresh },
    h("h4", null, "Try it", op.secured && quiet("with the token you signed in with")),
    h("div", { class: "fields" },
      inputs.map(([p, input]) => h("label", null, h("span", null, p.name, p.required && " (required)"), input)),
      body && h("label", { class: "wide" }, h("span", null, "Body"), body)),
    h("div", { class: "row" }, send, copy), line, out);
}

// Signing in
const ask = () => $("sign-in").showModal();
const remember = (value) => { token = value; $("account").textContent = token ? "Signed in" : "Sign in"; };

async function post(path, body) {
  const headers = { "Content-Type": JSON_TYPE };
  const response = await fetch(path, { method: "POST", headers, body: JSON.stringify(body), credentials: "omit" });
  const { success, data, error } = await response.json();
  if (!success) throw new Error(error.details?.validationErrors?.[0].message ?? error.message);
  return data;
}
function onSubmit(id, work) {
  $(id).addEventListener("submit", async (event) => {
    event.preventDefault();
    try { $("told").textContent = await work(); } catch (error) { $("told").textContent = error.message; }
  });
}
function signInWorks() {
  onSubmit("ask", async () => {
    await post(SEND, { phone: $("phone").value.trim() });
    $("prove").hidden = false;
    $("code").focus();
    return "The code is on its way.";
  });
  onSubmit("prove", async () => {
    remember((await post(VERIFY, { phone: $("phone").value.trim(), otp: $("code").value.trim() })).accessToken);
    $("sign-in").close();
  });
  onSubmit("paste", async () => { remember($("token").value.trim()); $("sign-in").close(); });
  $("forget").addEventListener("click", () => {
    remember("");
    $("token").value = $("code").value = "";
    $("told").textContent = "Forgotten.";
  });
  $("close").addEventListener("click", () => $("sign-in").close());
  $("account").addEventListener("click", ask);
}

// The page
function gather() {
  for (const [path, item] of Object.entries(api.paths)) {
    for (const method of METHODS.filter((name) => item[name])) {
      const unsaid = { operationId: `${method}${path}`, summary: path, tags: ["other"], responses: {} };
      const op = { ...unsaid, ...item[method], path, method };
      op.secured = (op.security ?? api.security ?? []).length > 0;
      op.words = `${method} ${path} ${op.summary} ${op.description ?? ""} ${op.tags}`.toLowerCase();
      operations.push(op);
    }
  }
}

function showTag(tag) {
  const own = operations.filter((op) => op.tags[0] === tag), named = new Set();
  const about = api.tags?.find((known) => known.name === tag)?.description;
  const tagLink = h("a", { class: "tag", href: `#tag-${tag}` }, tag);
  for (const op of own) {
    const title = `${op.method.toUpperCase()} ${op.path}`;
    const label = named.has(op.summary) ? title.replace("/api/v1", "") : op.summary; // aliases share a summary
    named.add(op.summary);
    op.link = h("a", { href: `#${op.operationId}`, title }, label);
    op.article = article(op);
  }
  const section = h("section", { id: `tag-${tag}`, "aria-label": tag }, h("h2", null, tag),
    about && h("p", { class: "quiet" }, rich(about)), own.map((op) => op.article));
  for (const op of own) Object.assign(op, { section, tagLink });
  $("main").append(section);
  $("index").append(tagLink, ...own.map((op) => op.link));
}

function filter() {
  const words = $("filter").value.toLowerCase().split(/\s+/);
  for (const op of operations) op.section.hidden = op.tagLink.hidden = true;
  for (const op of operations) {
    const hit = words.every((word) => op.words.includes(word));
    op.article.hidden = op.link.hidden = !hit;
    if (hit) op.section.hidden = op.tagLink.hidden = false;
  }
  const all = operations.length, left = operations.filter((op) => !op.article.hidden).length;
  $("count").textContent = left === all ? `${all} operations` : `${left} of ${all} operations`;
}

function jump() {
  const hash = decodeURIComponent(location.hash.slice(1)), found = operations.find((op) => op.operationId === hash);
  for (const op of operations) op.link.removeAttribute("aria-current");
  if (!found) return hash && $(hash)?.scrollIntoView();
  found.link.setAttribute("aria-current", "true");
  found.fill();
  found.article.open = true;
  found.article.scrollIntoView();
  found.article.firstChild.focus({ preventScroll: true });
}

function show(found) {
  api = found;
  document.title = $("title").textContent = api.info.title;
  $("version").textContent = api.info.version;
  $("about").append(...rich(api.info.description));
  $("ask").hidden = !(api.paths[SEND] && api.paths[VERIFY]);
  gather();
  new Set(operations.map((op) => op.tags[0])).forEach(showTag);
  filter();
  jump();
}

signInWorks();
$("filter").addEventListener("input", filter);
addEventListener("hashchange", jump);
addEventListener("keydown", (event) => {
  if (event.key !== "/" || event.target.matches?.("input, textarea, select")) return;
  event.preventDefault();
  $("filter").focus();
});
fetch(document.body.dataset.document).then((response) => response.json()).then(show)
  .catch((error) => { $("count").textContent = `The document could not be read: ${error.message}`; });
