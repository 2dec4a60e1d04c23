"use strict";
// Everything shown comes as text: nothing of the server's is ever taken for HTML.

const $ = (id) => document.getElementById(id);
const el = (name, attributes = {}, ...children) => {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) if (value !== undefined) made.setAttribute(key, value);
  made.append(...children);
  return made;
};
const svg = (name, attributes, ...children) => {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
};
const number = (value, digits = 0) => value.toLocaleString("en-IN", { maximumFractionDigits: digits });
const ms = (seconds) => (seconds === null || seconds === undefined ? "–" : `${number(seconds * 1000, seconds < 0.01 ? 1 : 0)} ms`);
const span = (seconds) => seconds < 120 ? `${number(seconds)} s` : seconds < 7200 ? `${number(seconds / 60)} min` : `${number(seconds / 3600, 1)} h`;
const known = (values) => values.filter((value) => value !== null);
const sum = (values) => known(values).reduce((total, value) => total + value, 0);
const words = (name) => name.replace(/(_paise)?_total$/, (end) => (end.startsWith("_paise") ? "_in_rupees" : "")).replaceAll("_", " ");
const rupees = (name, values) => (name.endsWith("_paise_total") ? values.map((value) => (value === null ? null : value / 100)) : values);

const RECENT = 5; // slots
const COUNTED = 90; // slots: three minutes, for what happens a few times a minute

function table(id, caption, heads, rows, empty) {
  const head = el("tr", {}, ...heads.map((text) => el("th", { scope: "col", class: text.startsWith("#") ? "n" : undefined }, text.replace(/^#/, ""))));
  const cells = (row) => row.map((cell, index) => {
    const many = cell !== null && typeof cell === "object" && !(cell instanceof Node);
    const [content, kind] = many ? [cell.text, cell.kind] : [cell, undefined];
    const attributes = { class: [heads[index].startsWith("#") ? "n" : "", kind ?? ""].join(" ").trim() || undefined };
    return index ? el("td", attributes, content) : el("th", { scope: "row", ...attributes }, content);
  });
  const body = rows.length ? rows.map((row) => el("tr", {}, ...cells(row))) : [el("tr", {}, el("td", { colspan: heads.length, class: "quiet" }, empty))];
  $(id).replaceChildren(el("caption", {}, caption), el("thead", {}, head), el("tbody", {}, ...body));
}

function plot(title, unit, lines, { limit, area, every }) {
  const width = 300, height = 100, left = 34, values = lines.flatMap((line) => known(line.values));
  const most = Math.max(...values, limit ?? 0, 1e-9), top = nice(most), count = lines[0].values.length;
  const x = (index) => left + ((width - left) * index) / (count - 1);
  const y = (value) => height - 12 - ((height - 18) * value) / top;
  const path = (line) => {
    let drawn = "", open = false;
    line.values.forEach((value, index) => {
      if (value === null) { open = false; return; }
      drawn += `${open ? "L" : "M"}${x(index).toFixed(1)} ${y(value).toFixed(1)}`;
      open = true;
    });
    return drawn;
  };
  const last = (line) => known(line.values.slice(-RECENT)).at(-1);
  const said = lines.map((line) => `${line.name} ${last(line) === undefined ? "unknown" : unit(last(line))}`).join(", ");
  const drawing = svg("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": `${title}: now ${said}; at most ${unit(values.length ? Math.max(...values) : 0)}` });
  for (const share of [0, 0.5, 1]) {
    drawing.append(svg("line", { class: "grid", x1: left, x2: width, y1: y(top * share), y2: y(top * share) }));
    drawing.append(svg("text", { x: 0, y: y(top * share) + 3 }, unit(top * share)));
  }
  drawing.append(svg("text", { x: left, y: height - 1 }, `${(count * every) / 60} min ago`), svg("text", { x: width - 18, y: height - 1 }, "now"));
  if (limit !== undefined) drawing.append(svg("line", { class: "limit", x1: left, x2: width, y1: y(limit), y2: y(limit) }));
  for (const line of lines) {
    const drawn = path(line);
    if (area && drawn && !line.values.slice(0, -1).includes(null)) drawing.append(svg("path", { class: "area", d: `${drawn}L${x(count - 1)} ${y(0)}L${x(0)} ${y(0)}Z` }));
    drawing.append(svg("path", { class: line.colour, d: drawn }));
  }
  const keys = lines.length > 1 ? lines.map((line) => el("span", { class: `key ${line.colour}` }, line.name)) : [el("span", { class: "quiet" }, said.replace(`${lines[0].name} `, ""))];
  return el("figure", {}, el("figcaption", {}, el("span", {}, title), el("span", {}, ...keys.flatMap((key) => [key, " "]))), drawing);
}

function nice(most) {
  const power = 10 ** Math.floor(Math.log10(most));
  return [1, 2, 5, 10].map((step) => step * power).find((step) => step >= most);
}

function smooth(values, slots, scale) {
  return values.map((value, index) => (value === null ? null : sum(values.slice(Math.max(0, index - slots + 1), index + 1)) * scale));
}

function show(now) {
  const { series, replicas } = now, every = series.every;
  const minute = 60 / every, recent = (name) => known(series[name].slice(-RECENT));
  const mean = (values) => (values.length ? sum(values) / values.length : 0);
  const bad = now.worries.length;
  $("state").className = bad ? "bad" : "good";
  const state = bad ? `${bad} ${bad === 1 ? "thing" : "things"} to look at` : "All is well";
  if ($("state").textContent !== state) $("state").textContent = state;
  document.title = `${bad ? `(${bad}) ` : ""}Vurksha: status`;
  $("when").textContent = new Date(now.at * 1000).toLocaleTimeString();
  $("worries").replaceChildren(...now.worries.map((worry) => el("li", {}, worry)));

  const ready = replicas.filter((replica) => replica.ready).length;
  const counted = Object.entries(series.counts).map(([name, values]) => [name, rupees(name, values)]);
  const perMinute = (values) => (sum(values.slice(-COUNTED)) / Math.max(known(values.slice(-COUNTED)).length, 1)) * minute;
  const tiles = [
    ["Replicas ready", `${ready} of ${replicas.length}`, ready < replicas.length],
    ["Requests a second", number(mean(recent("requests")), 1)],
    ["Median", ms(recent("p50").at(-1))],
    ["99th percentile", ms(recent("p99").at(-1)), (recent("p99").at(-1) ?? 0) > 0.2],
    ["Failures a second", number(mean(recent("failed")), 2), mean(recent("failed")) > 0],
    ["Outbox", now.queues ? `${number(now.queues.outbox[0])}` : "?", !now.queues || now.queues.outbox[1] > 30],
    ...counted.map(([name, values]) => [`${words(name)} a minute`, number(perMinute(values), 1)]),
  ];
  $("tiles").replaceChildren(...tiles.map(([name, value, wrong]) => el("div", {}, el("dt", {}, name), el("dd", { class: wrong ? "bad" : undefined }, value))));

  const line = (name, values, colour) => ({ name, values, colour });
  $("plots").replaceChildren(
    plot("Requests a second", (value) => number(value, value < 10 ? 1 : 0), [line("requests", series.requests, "a")], { area: true, every }),
    plot("Latency", ms, [line("median", series.p50, "a"), line("95th", series.p95, "b"), line("99th", series.p99, "c")], { limit: 0.2, every }),
    plot("Failures a minute", (value) => number(value, 1), [line("failures", smooth(series.failed, minute, every), "c")], { every }),
    ...counted.filter(([, values]) => sum(values)).slice(0, 5).map(([name, values]) =>
      plot(`${words(name)} a minute`, (value) => number(value, 1), [line(words(name), smooth(values, minute, 1), "a")], { area: true, every })),
  );

  $("agreement").textContent = now.agreement ? `They do not agree: ${now.agreement}` : replicas.length > 1 ? `All ${replicas.length} agree on what they run.` : "One replica.";
  $("agreement").className = now.agreement ? "bad" : "";
  table("replicas", "Replicas", ["Replica", "Runs", "State", "#Requests/s", "#Under way", "#Loop late", "#Memory", "#Up for"], replicas.map((one) => [
    one.id === now.me ? `${one.name} (this one)` : one.name, `${one.code} ${one.digest}`,
    one.ready ? "ready" : { text: one.reasons.join(", ") || "not ready", kind: "bad" }, number(one.requests / every, 1), number(one.inside),
    { text: ms(one.lag), kind: one.lag > 0.1 ? "bad" : "" }, `${number(one.memory / 2 ** 20)} MB`, span(now.at - one.started)]), "None is heard of.");
  table("routes", "Routes", ["Route", "#Requests", "#4xx", "#5xx", "#Median", "#95th", "#99th"], now.routes.map((one) => [
    el("code", {}, one.route), number(one.requests), number(one.refused), { text: number(one.failed), kind: one.failed ? "bad" : "" }, ms(one.p50), ms(one.p95),
    { text: ms(one.p99), kind: one.p99 > 0.2 ? "warm" : "" }]), "Nobody asked for anything.");
  const queues = now.queues;
  $("outbox").textContent = queues ? `Broker: ${queues.broker}. Outbox: ${number(queues.outbox[0])} waiting, the oldest for ${span(queues.outbox[1])}.` : "The database does not tell.";
  table("queues", "Deliveries that wait and dead letters, by consumer", ["Consumer", "#Waiting", "#Oldest", "#Dead letters"], (queues?.consumers ?? []).map(([name, waiting, age, dead]) => [
    el("code", {}, name), number(waiting), { text: span(age), kind: age > 30 ? "bad" : "" }, { text: number(dead), kind: dead ? "bad" : "" }]), "No consumers.");
  const opened = (one) => ({ text: one, kind: one === "closed" ? "" : "bad" });
  table("stores", "Breakers and pools, by replica", ["Replica", "What", "#State"], replicas.flatMap((one) => [
    ...Object.entries(one.breakers).map(([name, state]) => [one.name, `breaker ${name}`, opened(state)]),
    ...Object.entries(one.pools).map(([name, [busy, open, size, waiting]]) => [one.name, `pool ${name}`, { text: `${busy} busy, ${open} of ${size} open, ${waiting} waiting`, kind: waiting ? "bad" : "" }])]), "None.");
  table("plugins", "Plugins", ["Plugin", "State", "#Of the loop", "#Blocks", "#Tasks", "#Database", "#Failures"], now.plugins.map((one) => [
    `${one.name} ${one.version}`, one.aside ? { text: `aside: ${one.aside}`, kind: "bad" } : "in service", `${number(one.share * 100, 1)} %`, number(one.blocks),
    number(one.tasks), span(one.seconds), { text: number(one.failures), kind: one.failures ? "bad" : "" }]), "None.");
  table("slow", "Who held the loop longest", ["Plugin", "What", "#For", "When", "Where"], now.slow.map((one) => [
    one.plugin, el("code", {}, one.what || "–"), ms(one.seconds), new Date(one.at * 1000).toLocaleTimeString(), el("code", {}, one.stack.join(" › "))]), "Nobody so far.");
}

const GONE = "This replica does not answer; what is shown is old";
const REFUSED = "This replica sends no figures: too many people may be looking. It is asked again every ten seconds";
let stream = null, heard = 0;

function complain(text) {
  $("state").className = "bad";
  if ($("state").textContent !== text) $("state").textContent = text;
}

function listen() {
  const mine = new EventSource("/stream");
  stream = mine;
  heard = Date.now();
  mine.onmessage = (event) => { heard = Date.now(); show(JSON.parse(event.data)); };
  mine.onerror = () => { if (mine.readyState === EventSource.CLOSED) refused(mine); };
}

// The browser asks again by itself after a broken connection, and never after an answer that is no stream. Which answer
// it was an EventSource does not tell.
async function refused(mine) {
  const status = await fetch("/status.json", { cache: "no-store" }).then((answer) => answer.status, () => 0);
  if (stream !== mine) return; // paused meanwhile
  if (status === 401) { location.reload(); return; } // the form to sign in
  complain(status === 200 ? REFUSED : GONE);
  setTimeout(() => { if (stream === mine) listen(); }, 10000);
}

$("pause").addEventListener("click", () => {
  const paused = stream !== null;
  if (paused) { stream.close(); stream = null; } else listen();
  $("pause").setAttribute("aria-pressed", String(paused));
  $("pause").textContent = paused ? "Go on" : "Pause";
});

setInterval(() => {
  if (stream !== null && stream.readyState !== EventSource.CLOSED && Date.now() - heard > 8000) complain(GONE);
}, 2000);

listen();
