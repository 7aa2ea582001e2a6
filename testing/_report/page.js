"use strict";
// The data is text until a trace is asked for, and only ever becomes text nodes: nothing that was logged can run.

const $ = (selector, root = document) => root.querySelector(selector);
const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];

function h(tag, attributes, ...children) {
  const [name, ...classes] = tag.split(".");
  const element = document.createElement(name || "div");
  if (classes.length) element.className = classes.join(" ");
  for (const [key, value] of Object.entries(attributes || {})) {
    if (value === undefined || value === null || value === false) continue;
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (key === "style") for (const [name, to] of Object.entries(value)) element.style.setProperty(name, to);
    else element.setAttribute(key, value === true ? "" : value);
  }
  element.append(...children.flat(Infinity).filter((child) => child !== undefined && child !== null && child !== false && child !== ""));
  return element;
}

// ---- the data

const parsed = new Map();
function test(index) {
  if (!parsed.has(index)) parsed.set(index, JSON.parse($(`#data-${index}`).textContent));
  return parsed.get(index);
}

const rows = $$("[data-row]");
const haystacks = new Map();
function haystack(row) {
  if (!haystacks.has(row)) {
    const { test: index, trace } = row.dataset;
    const { nodeid, message, traces } = test(index);
    haystacks.set(row, texts([nodeid, message, trace === undefined ? "" : traces[trace]]).join("\n").toLowerCase());
  }
  return haystacks.get(row);
}
function texts(value) {
  if (value === null || value === undefined || typeof value === "boolean") return [];
  if (typeof value !== "object") return [String(value)];
  return Object.entries(value).flatMap(([key, item]) => (Array.isArray(value) ? texts(item) : [key, ...texts(item)]));
}

// ---- numbers for people

function took(seconds) {
  if (seconds === null || seconds === undefined) return "";
  if (seconds < 0.00005) return "0 ms";
  if (seconds < 0.00995) return `${(seconds * 1000).toFixed(1)} ms`;
  if (seconds < 0.9995) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 99.5) return `${seconds.toFixed(2)} s`;
  return `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`;
}
const count = (number) => Number(number).toLocaleString("en");
const plural = (number, noun) => `${count(number)} ${noun}${number === 1 ? "" : "s"}`;
const pretty = (value) => (typeof value === "string" ? value : JSON.stringify(value, null, 2));
const isEmpty = (value) => value === null || value === undefined || value === "" || (typeof value === "object" && !Object.keys(value).length);

// ---- a trace

function sheet(index, at) {
  const of = test(index);
  if (at === undefined) return h(".sheet", {}, where(of), title(of.nodeid.split("::").slice(1).join(" > ") || of.nodeid), verdict(of), h("p.empty", {}, "This test logged no trace."));
  const trace = of.traces[at];
  return h(".sheet", {},
    where(of, at), title(trace.name || "Trace", chips(trace)), verdict(of), notices(trace),
    waterfall(trace), asked(trace), (trace.children || []).map((child) => node(child)), rest(trace));
}

function where(of, at) {
  const link = h("button.plain", { title: "Copy a link to this", onclick: () => navigator.clipboard?.writeText(location.href) }, "link");
  const place = at === undefined || of.traces.length < 2 ? null : h("span", {}, `trace ${at + 1} of ${of.traces.length}`);
  return h(".where", {}, h(`i.dot.${of.outcome}`), h("span.mono", {}, of.nodeid), place, link);
}
const title = (text, more) => h("header", {}, h(".title", {}, h("h2", {}, text)), more);
const chip = (label, value, mood = "") => h(`span.chip${mood && "." + mood}`, {}, label, value === undefined ? null : [" ", h("b", {}, value)]);
const verdict = (of) => of.message && h("pre.notice.bad", { tabindex: "0", role: "region", "aria-label": "Why the test failed" }, of.message);

function every(node, kind) {
  return (node.children || []).flatMap((child) => [...(child.kind === kind ? [child] : []), ...every(child, kind)]);
}
const length = (node) => (node.ended_at && node.started_at ? node.ended_at - node.started_at : null);
const failed = (node) => Boolean(node.errors?.length);

function chips(trace) {
  const generations = every(trace, "generation");
  const tokens = generations.reduce((sum, item) => sum + (item.usage?.total_tokens || 0), 0);
  const wrong = flat(trace).some(([item]) => failed(item));
  return h(".chips", {},
    wrong && chip("error", undefined, "bad"),
    trace.problems?.length ? chip("incomplete", undefined, "open") : chip("complete", undefined, "good"),
    length(trace) !== null && chip("took", took(length(trace))),
    chip("generations", count(generations.length)),
    tokens > 0 && chip("tokens", count(tokens)),
    [...new Set(generations.map((item) => item.model).filter(Boolean))].map((model) => chip("model", model)),
    trace.session && chip("session", trace.session.name || trace.session.id),
    Object.entries(trace.tags || {}).map(([key, value]) => chip(key, String(value))),
    chip("id", trace.id));
}

const notices = (trace) => [
  (trace.errors || []).map(wrong),
  (trace.problems || []).map((problem) => h("p.notice.open", {}, problem)),
];
function wrong(error) {
  const heading = [error.type, error.code].filter((item) => !isEmpty(item)).join(" · ");
  return h("p.notice.bad", {}, heading && h("b", {}, heading, "  "), error.message || pretty(error));
}

function asked(trace) {
  const shown = (trace.attachments || []).filter((one) => one.data_url).map((one) => image(one.data_url));
  if (isEmpty(trace.input) && isEmpty(trace.output) && !shown.length) return null;
  return h(".card", {}, h(".two", {},
    h("", {}, h("h4", {}, "Input"), prose(trace.input), shown.length > 0 && h(".pictures", {}, shown)),
    h("", {}, h("h4", {}, "Output"), prose(trace.output))));
}

function rest(trace) {
  const known = ["id", "name", "session", "input", "output", "tags", "children", "errors", "problems", "started_at", "ended_at", "duration", "kind", "attachments"];
  return h(".card.rest", {}, folds([
    ["Metadata", pairs(trace.metadata)], ["Metrics", pairs(trace.metrics)], ["Feedback", pairs(trace.feedback)], ["Attachments", attachments(trace.attachments)], ["Events", pairs(trace.events)],
    ["More", pairs(Object.fromEntries(Object.entries(trace).filter(([key, value]) => ![...known, "metadata", "metrics", "feedback", "events"].includes(key) && !isEmpty(value))))],
    ["The trace as JSON", () => code(JSON.stringify(trace, (key, value) => (key === "data_url" ? undefined : value), 2))],
  ]));
}

// ---- its nodes

const names = { generation: "generation", tool_call: "tool call", span: "span", retrieval: "retrieval" };
function node(item, depth = 0) {
  const body = item.kind === "generation" ? generation(item) : item.kind === "tool_call" ? tool(item) : other(item);
  const card = h("section.card", { id: `node-${item.id}` }, heading(item), body);
  const inside = (item.children || []).map((child) => node(child, depth + 1));
  return inside.length ? [card, h(".inside", {}, inside)] : card;
}
function heading(item) {
  const streamed = item.chunk_count && `${plural(item.chunk_count, "chunk")}, the first after ${took(item.first_chunk)}`;
  const facts = [item.description, item.kind === "generation" && item.name && item.model, item.finish_reason, streamed, length(item) === null ? "not ended" : took(length(item))];
  return h("header", {},
    h(`span.kind.${item.kind}`, {}, names[item.kind] || item.kind), h("h3", {}, item.name || item.model || item.id),
    failed(item) && chip("error", undefined, "bad"), item.metadata?.stopped_early && chip("stopped early", undefined, "open"),
    item.metadata?.cancelled && chip("cancelled", undefined, "open"),
    h("span.push", {}, facts.filter(Boolean).join("  ·  ")));
}

function generation(item) {
  const answers = (item.result?.choices || []).map((choice) => answer(choice, item.result.choices.length));
  const thoughts = item.metadata?.thoughts;
  const { input, output } = pictures(item);
  return [
    h(".messages", {}, (item.messages || []).map((one) => message(one)), input,
      thoughts && message({ role: "assistant", content: pretty(thoughts) }, "thoughts", true), answers, output),
    (item.errors || []).map(wrong), usage(item.usage),
    folds([
      ["Parameters", pairs(item.model_parameters)], ["Attachments", attachments(item.attachments)], ["Metadata", pairs(without(item.metadata, "thoughts"))],
      ["Metrics", pairs(item.metrics)], ["Tags", pairs(item.tags)], ["Usage in detail", pairs(without(item.usage, "prompt_tokens", "completion_tokens", "total_tokens"))], ["Result as JSON", item.result && (() => code(JSON.stringify(item.result, null, 2)))],
    ]),
  ];
}
function answer(choice, of) {
  const note = [of > 1 && `choice ${choice.index}`, choice.finish_reason].filter(Boolean).join(", ");
  const one = message({ role: "assistant", ...choice.message }, note);
  one.classList.add("answer");
  return one;
}
function message(one, note, quiet) {
  const content = one.content ?? one.output ?? "";
  const calls = (one.tool_calls || []).map((call) => called(call.function?.name, call.function?.arguments, call.id));
  if (one.type === "function_call") calls.push(called(one.name, one.arguments, one.call_id));
  const parts = Array.isArray(content) ? content.map(part) : isEmpty(content) ? [] : [one.role === "tool" ? jsonish(content) : prose(content, quiet)];
  if (!calls.length && isEmpty(content)) parts.push(h("p.quiet", {}, "no content"));
  return h(".message", {}, h(`.role.${String(one.role).replace(/\W/g, "")}`, {}, one.role || one.type, (note || one.name) && h("small", {}, note || one.name)), h(".says-what", {}, parts, calls));
}
function part(piece) {
  if (typeof piece === "string") return prose(piece);
  if (piece.type === "text" || piece.text) return prose(piece.text);
  const url = piece.image_url?.url ?? piece.image_url;
  if (url) return image(url);
  return code(pretty(piece));
}
function image(url) {
  return /^data:image\/(png|jpeg|gif|webp);base64,/.test(url) ? h("img", { src: url, alt: "attached image", loading: "lazy" }) : h("p.mono", {}, url);
}
function called(name, args, id) {
  return h(".call", {}, h("code", {}, h("b", {}, name || "?"), "(", inline(args), ")"), id && h("small.mono", {}, id));
}
function inline(args) {
  const value = loaded(args);
  if (value === null || typeof value !== "object" || Array.isArray(value)) return isEmpty(value) ? "" : pretty(value);
  return Object.entries(value).map(([key, item]) => `${key}=${JSON.stringify(item)}`).join(", ");
}
function loaded(text) {
  if (typeof text !== "string") return text;
  try { return JSON.parse(text); } catch { return text; }
}
function jsonish(text) {
  const value = loaded(text);
  return value && typeof value === "object" ? code(JSON.stringify(value, null, 2)) : prose(text);
}

function tool(item) {
  const result = item.returned;
  return [
    h(".messages", {},
      h(".message", {}, h(".role.tool", {}, "call"), h(".says-what", {}, called(item.name, item.arguments, item.id))),
      !isEmpty(result) && h(".message", {}, h(".role.tool", {}, "result"), h(".says-what", {}, jsonish(result)))),
    (item.errors || []).map(wrong),
    folds([["Metadata", pairs(item.metadata)], ["Tags", pairs(item.tags)]]),
  ];
}
function other(item) {
  const shown = without(item, "kind", "id", "name", "children", "started_at", "ended_at", "errors", "error");
  return [(item.errors || []).map(wrong), h(".body", {}, pairs(shown) || h("p.quiet", {}, "nothing more was logged"))];
}
function attachments(items) {
  if (isEmpty(items)) return null;
  return h(".says-what", {}, items.map((item) => pairs(without(item, "data_url", "tags"))));
}
function pictures(item) {
  const strip = (side, role) => {
    const found = (item.attachments || []).filter((one) => one.data_url && (one.tags?.["attach-to"] === "output") === (side === "output"));
    return found.length > 0 && h(`.message${side === "output" ? ".answer" : ""}`, {}, h(`.role.${role}`, {}, h("small", {}, "attached")),
      h(".says-what", {}, h(".pictures", {}, found.map((one) => image(one.data_url)))));
  };
  return { input: strip("input", "user"), output: strip("output", "assistant") };
}

function usage(use) {
  if (isEmpty(use)) return null;
  const cached = (use.input_token_details ?? use.prompt_tokens_details)?.cached_tokens ?? 0;
  const thoughts = (use.output_token_details ?? use.completion_tokens_details)?.reasoning_tokens ?? 0;
  const kinds = [
    ["cached", cached, "c-cached"], ["prompt", (use.prompt_tokens || 0) - cached, "c-prompt"],
    ["thoughts", thoughts, "c-thoughts"], ["answer", (use.completion_tokens || 0) - thoughts, "c-answer"],
  ].filter(([, number]) => number > 0);
  return h(".usage", {},
    kinds.length > 0 && h(".split", {}, kinds.map(([name, number, colour]) => h(`i.${colour}`, { style: { flex: String(number) }, title: `${name} ${number}` }))),
    h(".keys", {}, kinds.map(([name, number, colour]) => h("span", {}, h(`i.${colour}`), name, " ", h("b", {}, count(number)))),
      Object.entries(use.input_token_details || {}).filter(([name]) => name !== "cached_tokens" && name !== "text_tokens").map(([name, number]) => h("span", {}, name.replace("_tokens", "").replace("_", " "), " ", h("b", {}, count(number)))),
      use.total_tokens !== undefined && h("span", {}, "total ", h("b", {}, count(use.total_tokens)), " tokens")));
}

// ---- the waterfall

function flat(item, depth = 0) {
  return [[item, depth], ...(item.children || []).flatMap((child) => flat(child, depth + 1))];
}
function waterfall(trace) {
  const items = flat({ ...trace, kind: "trace", name: trace.name || "trace" }).filter(([item]) => item.started_at);
  if (!items.length) return null;
  const ends = items.flatMap(([item]) => [item.started_at, item.ended_at, ...(item.chunks || []).map((at) => item.started_at + at)].filter(Boolean));
  const from = Math.min(...ends);
  const span = Math.max(...ends) - from || 0.001;
  const ticks = marks(span);
  const left = (at) => `${(100 * at) / span}%`;
  return h(".card", {}, h("h3", {}, "Time"),
    h(".waterfall", {},
      h(".row.axis", {}, h("span"), h(".track", {}, ticks.map((at) => h("span.tick", { style: { left: left(at) } }, at ? took(at) : "0"))), h("span")),
      items.map(([item, depth]) => bar(item, depth, from, left, ticks))),
    legend(items));
}
function marks(span) {
  const rough = span / 5;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((by) => by * power).find((by) => by >= rough);
  return Array.from({ length: Math.floor(span / step) + 1 }, (_, at) => at * step).filter((at) => at <= span * 0.97);
}
function bar(item, depth, from, left, ticks) {
  const start = item.started_at - from;
  const end = item.ended_at ? item.ended_at - from : null;
  const width = end === null ? null : end - start;
  const inner = (at) => (width ? `${(100 * at) / width}%` : "0");
  const chunks = item.chunks || [];
  const first = chunks[0] ?? item.first_chunk;
  const says = [item.name, width === null ? "not ended" : took(width), first !== undefined && first !== null && `first chunk after ${took(first)}`, item.chunk_count && plural(item.chunk_count, "chunk")];
  const mood = failed(item) && item.kind !== "trace" ? ".bad" : "";
  const shape = h(`.bar.${item.kind}${mood}${end === null ? ".endless" : ""}`,
    { style: { left: left(start), ...(end === null ? { right: "0" } : { width: left(width) }) }, title: says.filter(Boolean).join(" · ") },
    first > 0 && width ? h("i.wait", { style: { width: inner(first) } }) : null,
    width ? (chunks.length ? chunks : first > 0 ? [first] : []).map((at) => h("i.chunk", { style: { left: inner(at) } })) : null);
  const go = () => item.kind !== "trace" && flash($(`#node-${CSS.escape(item.id)}`));
  return h("button.row", { type: "button", style: { "--depth": String(depth) }, onclick: go, title: says.filter(Boolean).join(" · ") },
    h("span.label", {}, item.name || item.model || item.kind),
    h(".track", {}, ticks.map((at) => h("i.grid", { style: { left: left(at) } })), shape),
    h("span.took", {}, width === null ? "open" : took(width)));
}
function legend(items) {
  const kinds = new Set(items.map(([item]) => item.kind));
  const streams = items.some(([item]) => item.first_chunk > 0 || item.chunks?.length);
  const key = (colour, text) => h("span", {}, h("i", { style: { background: `var(--${colour})` } }), text);
  return h(".legend", {}, streams && key("waiting", "until the first chunk"), kinds.has("generation") && key("generation", streams ? "generation; each vertical line is a chunk (if there are many, only every second, fourth, ... chunk has a line)" : "generation"),
    kinds.has("tool_call") && key("tool", "tool call"), kinds.has("span") && key("span", "span"),
    items.some(([item]) => item.kind !== "trace" && failed(item)) && key("bad", "failed"));
}
function flash(card) {
  if (!card) return;
  card.scrollIntoView({ block: "start", behavior: matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth" });
  card.classList.add("flash");
  setTimeout(() => card.classList.remove("flash"), 1200);
}

// ---- small pieces

const without = (object, ...keys) => Object.fromEntries(Object.entries(object || {}).filter(([key]) => !keys.includes(key)));
const code = (text) => h("pre.code", {}, text);
function prose(text, quiet) {
  if (isEmpty(text)) return h("p.quiet", {}, "—");
  const shown = pretty(text);
  const body = h(`.prose${quiet ? ".quiet" : ""}`, {}, shown);
  if (shown.length < 1800 && shown.split("\n").length < 24) return body;
  body.classList.add("folded");
  const more = h("button.plain.unfold", { onclick: () => { body.classList.remove("folded"); more.remove(); } }, `all ${plural(shown.length, "character")}`);
  return [body, more];
}
function pairs(object) {
  if (isEmpty(object)) return null;
  return h("dl.pairs", {}, Object.entries(object).map(([key, value]) => [h("dt", {}, key), h("dd", {}, value !== null && typeof value === "object" ? code(pretty(value)) : String(value))]));
}
function folds(list) {
  return list.filter(([, body]) => body).map(([name, body]) => {
    const inner = h(".inner", {});
    const fill = () => inner.childNodes.length || inner.append(typeof body === "function" ? body() : body);
    return h("details", { ontoggle: fill, "data-fill": true }, h("summary", {}, name), inner);
  });
}

// ---- choosing, searching, keys

const detail = $("#detail");
const shown = () => rows.filter((row) => !row.hidden);
let filter = "all";

// Browsers and people write brackets and the like as they are, or escaped.
function plain(link) {
  try { return decodeURIComponent(link); } catch { return link; }
}
function choose() {
  const wanted = plain(location.hash);
  const leads = (one) => plain(one.getAttribute("href")) === wanted;
  const row = rows.find(leads) || $$("#list .name").find(leads);
  const chosen = row?.hasAttribute("data-row") ? row : row ? $("[data-row]", row.parentElement) : null;
  $$("[aria-current]").forEach((one) => one.removeAttribute("aria-current"));
  if (!chosen) {
    const text = location.hash ? ["No such trace", "The link names a test or trace that is not in this report."] : ["No traces", "No test of this run logged a trace."];
    detail.replaceChildren(h(".empty", {}, h("h2", {}, text[0]), text[1]));
    return;
  }
  chosen.setAttribute("aria-current", "true");
  chosen.scrollIntoView({ block: "nearest" });
  const { test: index, trace } = chosen.dataset;
  detail.replaceChildren(sheet(Number(index), trace === undefined ? undefined : Number(trace)));
  detail.scrollTop = 0;
  // The last lines of a failure show what happened.
  for (const text of $$("pre.notice", detail)) text.scrollTop = text.scrollHeight;
}
function step(by) {
  const list = shown();
  const at = list.findIndex((row) => row.getAttribute("aria-current"));
  const to = list[Math.max(0, Math.min(list.length - 1, at + by))];
  if (!to) return;
  history.replaceState(null, "", to.getAttribute("href"));
  choose();
}
function sift() {
  const words = $("#search").value.toLowerCase().split(/\s+/).filter(Boolean);
  for (const row of rows) {
    const kept = filter === "all" || row.dataset[filter] === "1";
    row.hidden = !(kept && (!words.length || words.every((word) => haystack(row).includes(word))));
  }
  for (const item of $$("#list .test")) item.hidden = !$$("[data-row]", item).some((row) => !row.hidden);
  $("#none").hidden = shown().length > 0;
}
function only(name) {
  filter = name;
  $$("[data-filter]").forEach((button) => button.setAttribute("aria-pressed", String(button.dataset.filter === name)));
  sift();
}
function turn() {
  const root = document.documentElement;
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
}
function unfold() {
  const all = $$("details", detail);
  const open = all.some((one) => !one.open);
  all.forEach((one) => { one.open = open; });
  if (open) $$(".unfold", detail).forEach((button) => button.click());
}

const keys = {
  j: () => step(1), ArrowDown: () => step(1), k: () => step(-1), ArrowUp: () => step(-1), "/": () => $("#search").focus(),
  a: () => only("all"), f: () => only("failed"), i: () => only("incomplete"), e: unfold, t: turn, "?": () => $("#keys").showModal(),
};
addEventListener("keydown", (event) => {
  const typing = event.target.matches?.("input, textarea");
  if (typing && event.key === "Escape") { event.target.value = ""; event.target.blur(); sift(); }
  if (typing && event.key === "Enter") { event.target.blur(); step(0); }
  const scrolling = event.key.startsWith("Arrow") && event.target.matches?.("pre[tabindex]");
  if (scrolling || typing || event.ctrlKey || event.metaKey || event.altKey || !keys[event.key] || $("#keys").open) return;
  event.preventDefault();
  keys[event.key]();
});
let later;
$("#search").addEventListener("input", () => { clearTimeout(later); later = setTimeout(sift, 60); });
$$("[data-filter]").forEach((button) => button.addEventListener("click", () => only(button.dataset.filter)));
$("#theme").addEventListener("click", turn);
$("#help").addEventListener("click", () => $("#keys").showModal());
$("#keys").addEventListener("click", (event) => event.target === $("#keys") && $("#keys").close());
addEventListener("hashchange", choose);

// On paper: every trace that is listed, whole.
addEventListener("beforeprint", () => {
  detail.replaceChildren(...shown().map(({ dataset }) => sheet(Number(dataset.test), dataset.trace === undefined ? undefined : Number(dataset.trace))));
});
addEventListener("afterprint", choose);

if (!location.hash && rows.length) history.replaceState(null, "", (rows.find((row) => row.dataset.failed === "1") || rows[0]).getAttribute("href"));
choose();
