"use strict";
const SEND = "/api/v1/auth/send-otp", VERIFY = "/api/v1/auth/verify-otp"; // CONTRACT A.3
const METHODS = ["get", "post", "put", "patch", "delete"];
const JSON_TYPE = "application/json";
const FORMATS = {
  uuid: "0198c6f0-3b1e-7c4a-9d52-6f1f0a7be2c4", "date-time": "2026-01-31T09:00:00Z", date: "2026-01-31",
};
// The first that suits a pattern is shown as the example.
const TEXTS = ["text", "9876543210", "411001", "someone@example.com", "https://example.com/a.jpg", "a", "A"];
const HUGE = 2 ** 53, LONG = 10_000, DEEPEST = 6;

let api = {}, token = "";
const operations = [];

// Elements. Text from the document only ever becomes text nodes.
const $ = (id) => document.getElementById(id);

function h(tag, attributes, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (typeof value === "function") element.addEventListener(name, value);
    else if (value !== false && value != null) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat(9).filter((child) => child != null && child !== false));
  return element;
}
const quiet = (...children) => h("span", { class: "quiet" }, ...children);
const rich = (text) => (text ?? "").split(/`([^`]+)`/).map((part, i) => (i % 2 ? h("code", null, part) : part));
const paragraphs = (text) => (text ?? "").split(/\n\s*\n/).filter(Boolean).map((part) => h("p", null, rich(part)));
const scroller = (label, ...children) => h("pre", { tabindex: 0, role: "region", "aria-label": label }, ...children);

function json(value) {
  const text = JSON.stringify(value, null, 2), out = [];
  const token = /("(?:\\.|[^"\\])*")(\s*:)?|\b(?:true|false|null)\b|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g;
  let end = 0;
  for (const found of text.matchAll(token)) {
    const look = found[2] ? "key" : found[1] ? "text" : "other";
    out.push(text.slice(end, found.index), h("span", { class: look }, found[0]));
    end = found.index + found[0].length;
  }
  return [...out, text.slice(end)];
}
const more = (label, value) => h("details", { class: "more" }, h("summary", null, label), scroller(label, json(value)));

// Schemas
const follow = (part) => (part?.$ref ? part.$ref.slice(2).split("/").reduce((at, step) => at[step], api) : part ?? {});

function bare(schema) { // without the "or null"
  const some = schema.anyOf?.filter((kind) => kind.type !== "null");
  return some?.length === 1 ? some[0] : schema;
}
const kinds = (schema) => [follow(bare(schema)).type ?? "any"].flat().filter((type) => type !== "null");

function typeOf(schema) {
  const inner = bare(schema), full = follow(inner);
  const nullable = inner !== schema || [full.type].flat().includes("null");
  let text = full.format === "date-time" ? "time" : full.format ?? kinds(full).join(" or ");
  if (full.items) text = `list of ${typeOf(full.items)}`;
  else if (inner.$ref && !full.enum) text = inner.$ref.split("/").pop();
  return nullable ? `${text} or null` : text;
}

function range(low, high, unit) {
  if (low === undefined && high === undefined) return null;
  if (low === undefined) return h("span", null, `at most ${high}${unit}`);
  if (high === undefined) return h("span", null, `at least ${low}${unit}`);
  return h("span", null, (low === high ? `exactly ${low}` : `${low} to ${high}`) + unit);
}

function notes(schema) {
  const full = { ...follow(bare(schema)), ...schema };
  const said = full.description && !full.properties;
  return [
    said && h("span", null, rich(full.description)),
    full.enum?.map((word) => h("code", null, String(word))),
    range(full.minimum > -HUGE ? full.minimum : undefined, full.maximum < HUGE ? full.maximum : undefined, ""),
    range(full.minLength, full.maxLength < LONG ? full.maxLength : undefined, " characters"),
    range(full.minItems || undefined, full.maxItems, " items"),
    full.pattern && !said && !full.pattern.startsWith("\\S") && h("code", null, full.pattern),
    "default" in full && h("span", null, "default ", h("code", null, String(full.default))),
  ];
}

function row(name, schema, required, depth = 0, extra = []) {
  const mark = required && h("span", { class: "need" }, "required");
  return h("tr", { class: depth > 0 && `deep${Math.min(depth, 4)}` },
    h("td", null, name, mark), h("td", null, typeOf(schema)), h("td", null, extra, notes(schema)));
}

/** A row per field and field within; `marks` says whether to mark what is required. */
function rows(schema, marks, depth = 0, seen = []) {
  const full = follow(bare(schema)), inner = full.items ?? full.additionalProperties;
  if (typeof inner === "object") return rows(inner, marks, depth, seen);
  if (!full.properties || seen.includes(full) || depth > DEEPEST) return [];
  return Object.entries(full.properties).flatMap(([name, field]) => [
    row(name, field, marks && full.required?.includes(name), depth), ...rows(field, marks, depth + 1, [...seen, full]),
  ]);
}

function table(heads, body) {
  const head = h("tr", null, heads.map((text) => h("th", { scope: "col" }, text)));
  if (!body.length) return h("p", { class: "quiet" }, "No fields.");
  return h("table", null, h("thead", null, head), h("tbody", null, body));
}

/** A value that the schema allows; a `brief` one leaves out what need not be sent. */
function example(schema, brief = false, seen = []) {
  const full = follow(bare(schema)), deeper = [...seen, full];
  if ("const" in full || "default" in full) return full.const ?? full.default;
  if (full.examples || full.enum) return (full.examples ?? full.enum)[0];
  if (full.items) return seen.includes(follow(full.items)) ? [] : [example(full.items, brief, seen)];
  if (full.properties) {
    const needed = [...(full.required ?? []), ...(full.anyOf?.[0].required ?? [])]; // of two spellings, the first
    const wanted = brief && needed.length ? needed : Object.keys(full.properties);
    const value = (name) => (seen.includes(full) ? null : example(full.properties[name], brief, deeper));
    return Object.fromEntries(wanted.map((name) => [name, value(name)]));
  }
  const inner = full.additionalProperties;
  if (typeof inner === "object") return { key: example(inner, brief, seen) };
  const [kind] = kinds(full);
  if (kind === "integer" || kind === "number") return Math.max(full.minimum > -HUGE ? full.minimum : 1, 1);
  if (kind === "string") return FORMATS[full.format] ?? text(full);
  return { boolean: true, array: [], object: {} }[kind] ?? null;
}
function matches(pattern, word) {
  try { return new RegExp(pattern).test(word); } catch { return false; } // a dialect that browsers do not read
}
function text({ minLength = 0, maxLength = LONG, pattern = "" }) {
  const fits = (word) => word.length >= minLength && word.length <= maxLength && matches(pattern, word);
  return TEXTS.find(fits) ?? "text".repeat(Math.ceil(minLength / 4) || 1).slice(0, maxLength);
}
