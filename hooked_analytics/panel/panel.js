// The panel in the browser: the kernel sends data, this module draws. All text is set as text.

const KINDS = ["rendering", "failed", "unavailable", "unknown", "waiting", "completed"];
const [RENDERING, FAILED, UNAVAILABLE, UNKNOWN, WAITING, COMPLETED] = KINDS.keys();
const STATES = { ready: "not started", polling: "polling …", paused: "paused", stopped: "stopped",
  replaced: "a newer panel took over", ended: "all have ended", failed: "ended early" };
const PAGE_ROWS = 12, MAX_UNFOLDED = 10, MAX_TICKS = 5;
const TICKS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200];
const COUNTS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000];
const SILENT_AFTER_S = 60;
const DASH = "–", NEW_TAB = { target: "_blank", rel: "noopener noreferrer" };

const known = (value) => value !== null && value !== undefined && value !== "";
const whole = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });
const tenths = new Intl.NumberFormat("en-US", { maximumFractionDigits: 1 });
const count = (n) => whole.format(n);
const plural = (n) => `${count(n)} video${n === 1 ? "" : "s"}`;
const number = (n) => !known(n) ? DASH : (Math.abs(n) < 100 ? tenths : whole).format(n);

function duration(seconds) { // in its two largest units
  if (!known(seconds) || seconds < 0) return DASH;
  let left = seconds < 600 ? Math.round(seconds) : 60 * Math.round(seconds / 60);
  const parts = [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]].map(([size, name]) => {
    const many = Math.floor(left / size);
    left %= size;
    return many && `${many} ${name}`;
  });
  const first = parts.findIndex(Boolean);
  return first < 0 ? "0 s" : parts.slice(first, first + 2).filter(Boolean).join(" ");
}

function span(low, high) { // a range of time left; "+" where its far end is not known
  if (!known(low) && !known(high)) return "";
  const start = Math.max(0, low ?? 0), top = known(high) ? Math.max(high, start) : start;
  const [unit, name] = top < 120 ? [1, "s"] : top < 7200 ? [60, "min"] : [3600, "h"];
  const first = Math.floor(start / unit + 0.5), last = Math.ceil(top / unit - 1e-3);
  if (!known(high)) return first ? `${first}+ ${name}` : "";
  if (!first) return `≤ ${Math.max(last, 1)} ${name}`;
  return last > first ? `${first}–${last} ${name}` : `${last} ${name}`;
}

// ---- drawing: a piece of the page is made anew from the data, and `patch` brings what is shown up to it

function element(tag, settings = {}, ...children) {
  const made = ["svg", "path"].includes(tag) ? document.createElementNS("http://www.w3.org/2000/svg", tag)
    : document.createElement(tag);
  made.handlers = {};
  for (const [name, value] of Object.entries(settings)) {
    if (name.startsWith("on")) made.handlers[name] = value;
    else if ((value ?? false) !== false) made.setAttribute(name, value === true ? "" : value);
  }
  Object.assign(made, made.handlers).append(...children);
  return made;
}
// one that was disabled would lose focus
const button = (text, onclick, { disabled, ...settings } = {}) => element("button", { type: "button",
  "aria-disabled": disabled && "true", onclick: disabled ? () => {} : onclick, ...settings }, text);

function arrange(shown, made) { // a row moves with its video, and so do focus and selection
  const rows = [...made.rows].map(({ dataset }) => [...shown.rows].find((each) => each.dataset.at === dataset.at));
  const spare = [...shown.rows].filter((each) => !rows.includes(each));
  let next = null;
  for (const row of rows.reverse()) {
    const old = row ?? spare.pop() ?? element("tr");
    const move = old.parentNode && shown.moveBefore || shown.insertBefore;
    if (old.parentNode !== shown || old.nextSibling !== next) move.call(shown, old, next);
    next = old;
  }
  spare.forEach((each) => each.remove());
}

function patch(shown, made) { // in place: what is focused, selected or loaded stays so
  if (shown.nodeName !== made.nodeName) { shown.replaceWith(made); return; }
  if (shown.className === "hk-told") return; // what a picture tells stays until pointer or keys move on
  if (shown.nodeType === Node.TEXT_NODE) {
    if (shown.data !== made.data) shown.data = made.data;
    return;
  }
  for (const { name } of [...shown.attributes]) if (!made.hasAttribute(name)) shown.removeAttribute(name);
  for (const { name, value } of made.attributes) {
    if (shown.getAttribute(name) !== value) shown.setAttribute(name, value);
  }
  Object.assign(shown, made.handlers);
  if (shown.nodeName === "TBODY") arrange(shown, made);
  const before = [...shown.childNodes], after = [...made.childNodes];
  after.forEach((child, at) => { if (before[at]) patch(before[at], child); else shown.append(child); });
  before.slice(after.length).forEach((child) => child.remove());
  for (const name of ["value", "checked"]) if (shown[name] !== made[name]) shown[name] = made[name];
}

// ---- data: what the kernel has sent, shared by all views of one model

const pause = () => new Promise((done) => { setTimeout(done); }); // so that no task of the page is long

function store(listeners) {
  const data = { ids: [], rows: [], own: {}, fields: [], totals: null, now: 0, series: [], lines: [],
    state: {}, seq: 0, links: {}, broken: new Set() };

  async function take(buffer) { // rows that changed, or all of them
    const stream = new Blob([buffer]).stream().pipeThrough(new DecompressionStream("deflate"));
    const { all, rows, columns, series, lines, ...sent } = await new Response(stream).json();
    await pause();
    Object.assign(data, sent, all && { ...all, rows: [], series: [], lines: [] });
    rows.forEach((at, place) => { // fields in one order: objects of one shape are quick
      const video = { id: data.ids[at], at, own: Object.values(data.own).map((each) => each[at]) };
      data.fields.forEach((name, field) => { video[name] = columns[field][place]; });
      data.rows[at] = video;
    });
    data.series = data.series.concat(series);
    data.lines = data.lines.concat(lines);
    await pause();
  }

  let queue = Promise.resolve(); // one after the other: unpacking takes a moment
  function receive(message, buffers, hello) {
    queue = queue.then(async () => {
      if (message.kind === "change" && message.seq !== data.seq + 1) { // old, or one was lost
        if (message.seq > data.seq) hello();
        return;
      }
      if (buffers?.length) await take(buffers[0]);
      data.seq = message.seq ?? data.seq;
      data.state = { ...message.state, heard: Date.now() };
      if (message.link?.url) data.links[message.link.at] = message.link.url;
      if (message.link?.error) data.state.why = message.link.error;
      listeners.forEach((each) => each(message));
    }).catch((error) => console.error("hooked panel:", error));
  }
  return { data, receive };
}

// ---- pictures: x and y are per cent of the plot; the text of a point is made when it is told

const place = (x, y) => `left: ${x.toFixed(2)}%; top: ${y.toFixed(2)}%`;
const label = (x, y, side, text) => element("span", { class: `hk-label ${side}`, style: place(x, y) }, text);
const path = (points, name) => element("path", { class: name,
  d: points.map(([x, y], at) => `${at ? "L" : "M"}${x.toFixed(2)} ${y.toFixed(2)}`).join("") });

function telling(points) { // the value of the nearest point, or of the next one by arrow key
  const tell = (plot, text = "") => { plot.previousSibling.textContent = text; };
  return { tabindex: 0,
    onblur: ({ currentTarget }) => tell(currentTarget),
    onpointerleave: ({ currentTarget }) => tell(currentTarget),
    onpointermove({ currentTarget, clientX, clientY }) {
      const { left, top, width, height } = currentTarget.getBoundingClientRect();
      const far = ([x, y]) => Math.hypot(left + x * width / 100 - clientX, top + y * height / 100 - clientY);
      tell(currentTarget, points.reduce((best, each) => far(each) < far(best) ? each : best, points[0])?.[2]());
    },
    onkeydown(event) {
      const { currentTarget: plot, key } = event, by = { ArrowLeft: -1, ArrowRight: 1 }[key];
      if (key === "Escape") tell(plot);
      if (!by) return;
      event.preventDefault();
      plot.at = Math.max(0, Math.min(points.length - 1, (plot.at ?? points.length) + by));
      tell(plot, points[plot.at]?.[2]());
    } };
}

function picture(title, { lines, labels, points, summary }) {
  return element("div", { class: "hk-chart" }, element("b", {}, title), element("span", { class: "hk-told" }),
    element("div", { class: "hk-plot", role: "img", "aria-label": `${title}: ${summary}`, ...telling(points) },
      element("svg", { viewBox: "0 0 100 100", preserveAspectRatio: "none" }, ...lines), ...labels));
}

function axes(data, values, y, text) { // time from left to right, and a rule for each value
  const { totals, series, now } = data;
  const first = Math.min(0, series[0]?.[0] ?? 0, data.lines[0]?.[0] ?? 0);
  const running = totals.counts[RENDERING] > 0, past = Math.max(now - first, 10);
  const left = totals.left?.[1] ?? totals.pace ?? 0;
  const length = past + (running ? Math.max(past / 8, Math.min(left, 2 * past + 60)) : 0);
  const x = (at) => 100 * (at - first) / length, least = length > 150 ? 60 : 1;
  const step = TICKS.find((each) => each >= least && length / each <= MAX_TICKS) ?? 86400;
  const [unit, name] = step < 60 ? [1, "s"] : step < 3600 ? [60, "min"] : [3600, "h"];
  const labels = values.map((value) => label(0, y(value), "left", text(value)));
  for (let at = 0; at <= length; at += step) labels.push(label(x(first + at), 100, "below", `${at / unit} ${name}`));
  const lines = values.map((value) => path([[0, y(value)], [100, y(value)]], "hk-rule"));
  return { x, first, running, lines, labels };
}

function progressPicture(data) {
  const y = (share) => 100 - share;
  const { x, first, running, lines, labels } = axes(data, [0, 25, 50, 75, 100], y, (share) => `${share} %`);
  const videos = new Map(), points = [];
  for (const [at, row, share] of data.lines) {
    if (!known(share)) continue;
    if (!videos.has(row)) videos.set(row, []);
    videos.get(row).push([at, share]);
  }
  for (const [row, polls] of [...videos].sort(([a], [b]) => data.rows[b].kind - data.rows[a].kind)) {
    const video = data.rows[row], kind = KINDS[video.kind];
    if (video.kind === RENDERING) polls.push([data.now, polls.at(-1)[1]]);
    const drawn = polls.map(([at, share]) => [x(at), y(share),
      () => `${video.name || video.id}: ${number(share)} % after ${duration(at - (video.created ?? first))}`]);
    points.push(...drawn);
    lines.push(path(drawn, `hk-line ${kind}`));
    labels.push(element("i", { class: `hk-end ${kind}`, style: place(...drawn.at(-1)) }));
  }
  const band = videos.size ? [] : data.series.filter((each) => each.length > 2);
  const edge = (column) => band.map((each) => [x(each[0]), y(each[column])]);
  points.push(...band.map(([at, , low, , median, , high]) => [x(at), y(median),
    () => `${duration(at - first)}: median ${number(median)} %, `
      + `the middle 80 % from ${number(low)} to ${number(high)} %`]));
  const summary = band.length ? points.at(-1)[2]() : `${plural(videos.size)} drawn`;
  if (band.length > 1) {
    for (const [from, to] of [[2, 6], [3, 5]]) {
      lines.push(path([...edge(to), ...edge(from).reverse()], "hk-band rendering"));
    }
    lines.push(path(edge(4), "hk-line rendering"));
  }
  if (running) {
    lines.push(path([[x(data.now), -6], [x(data.now), 100]], "hk-now"));
    labels.push(label(x(data.now), -4, "right", "now"));
  }
  return { lines, labels, points, summary };
}

function finishedPicture(data) {
  const { totals, series, now } = data, total = data.rows.length, y = (n) => 100 - 100 * n / Math.max(total, 1);
  const step = COUNTS.find((n) => total / n <= 4) ?? total / 4;
  const ticks = [0, 1, 2, 3, 4].map((n) => n * step).filter((tick) => tick === 0 || total - tick > step / 2);
  const { x, first, running, lines, labels } = axes(data, ticks, y, count);
  const over = series.at(-1)?.[1] ?? 0, end = over + (totals.remaining ?? 0);
  const summary = `${count(over)} of ${count(total)} have ended`;
  lines.push(path([[0, 0], [100, 0]], "hk-now"));
  labels.push(label(0, 0, "left", count(total)),
    label(100, 0, "above", `all ${count(total)}${running && totals.left ? `: in ${totals.text}` : ""}`));
  const points = series.map(([at, n]) =>
    [x(at), y(n), () => `${duration(at - first)}: ${count(n)} of ${count(total)} have ended`]);
  if (totals.left) {
    lines.push(path([[x(now), y(over)], ...totals.left.map((left) => [x(now + left), y(end)])], "hk-band completed"));
    points.push([x(now + totals.left[1]), y(end),
      () => `${count(end)} of ${count(total)} expected in ${totals.text}, in 4 of 5 cases`]);
  }
  const steps = series.flatMap(([at, n], row) => [[x(at), y(series[row - 1]?.[1] ?? n)], [x(at), y(n)]]);
  lines.push(path(steps, "hk-line completed"));
  return { lines, labels, points, summary };
}

// ---- the table

const exactly = (value) => typeof value === "number" ? String(Number(value.toPrecision(15))) : value ?? "";
const left = (video, data) => video.kind !== RENDERING ? "" : video.stuck ? "stuck?"
  : span(...[video.low, video.high].map((end) => known(end) ? end - data.now : null)) || DASH;
const elapsed = (video, data) => video.kind === RENDERING && known(video.created)
  ? data.now - video.created : video.took;
const word = (video) => video.kind === UNKNOWN ? (video.status ?? "unknown").toLowerCase() : KINDS[video.kind];

function columnsOf(data, asking) { // sorted by `value`, which is shown too where there is nothing else
  const own = Object.entries(data.own).map(([label, values], at) => ({ label, key: `own ${label}`,
    kind: values.every((value) => !known(value) || typeof value === "number") ? "hk-wide hk-right" : "hk-wide",
    value: (video) => video.own[at] ?? "", text: (video) => exactly(video.own[at]) }));
  return [
    { label: "Video", value: (video) => video.name || video.id, text: (video) => nameOf(video, data, asking) },
    ...own,
    { label: "Type", kind: "hk-wide", value: (video) => video.type ?? "" },
    { label: "Status", kind: "hk-wide", value: word },
    { label: "Progress", value: (video) => video.progress, text: progressOf },
    { label: "Elapsed", kind: "hk-right", value: elapsed, text: (video) => duration(elapsed(video, data)) },
    { label: "Left", kind: "hk-right", text: left,
      value: (video) => video.kind === RENDERING ? video.high ?? Infinity : null },
    { label: "Credits", kind: "hk-right", value: (video) => video.credits, text: (video) => number(video.credits) },
    { label: "Message", kind: "hk-wide hk-message", value: (video) => video.message ?? "" },
  ].map((each) => ({ key: each.label, ...each }));
}

// what "<" puts in the order of a person: 9 before 10, Ä beside A; a collator takes five times as long
const sortable = (text) => text.toLowerCase().normalize("NFD").replace(/\d+/g, (digits) => digits.padStart(12, "0"));

function ordered(data, choice, columns) {
  const needle = choice.search.trim().toLowerCase();
  const found = data.rows.filter((video) =>
    (choice.kind === null || video.kind === choice.kind) && (!choice.type || video.type === choice.type)
    && (!needle || (video.text ??= [video.id, video.name, video.type, ...video.own].join("\n").toLowerCase())
      .includes(needle)));
  const column = columns.find((each) => each.key === choice.sort);
  const key = (video) => { // of a text it is kept until the row changes
    const value = column ? column.value(video, data) : video.kind;
    return typeof value === "string" ? (video.keys ??= {})[column.key] ??= sortable(value) : value;
  };
  return found.map((video) => [key(video), video]).sort(([a, one], [b, other]) =>
    known(b) - known(a) // missing comes last
    || choice.down * ((a > b) - (a < b)) || one.at - other.at).map(([, video]) => video);
}

function cell(video, data, { kind = "", value, text = value }) {
  const shown = text(video, data), alert = shown === "stuck?" ? " hk-alert" : "";
  return element("td", { class: kind + alert }, shown);
}

function nameOf(video, data, asking) {
  const url = data.links[video.at];
  const link = url ? element("a", { class: "hk-link", href: url, ...NEW_TAB }, "ready ↗") : asking("open ↗", "open",
    { class: "hk-link", hidden: video.kind !== COMPLETED }, video.at);
  const copy = button("copy id", async ({ target }) => {
    try { await navigator.clipboard.writeText(video.id); } catch {
      getSelection().selectAllChildren(target.parentElement.querySelector("code"));
      target.textContent = "selected";
      return;
    }
    target.textContent = "copied";
  }, { class: "hk-link" });
  const source = video.thumbnail, image = element("img", { alt: "", loading: "lazy", referrerpolicy: "no-referrer",
    src: source, hidden: !source || data.broken.has(source),
    onerror: ({ target }) => { data.broken.add(source); target.hidden = true; } });
  return element("div", { class: "hk-video" }, element("span", { class: "hk-thumb" }, image),
    element("div", {}, element("span", { class: "hk-name" }, video.name ?? ""),
      element("span", { class: "hk-id" }, element("code", {}, video.id ?? "no id"), " ", link, " ", copy),
      element("span", { class: "hk-under" }, [...video.own, video.type, video.message].filter(known).join(" · "))));
}

function progressOf({ progress, kind, ...video }) {
  const plain = known(progress) && [RENDERING, COMPLETED].includes(kind);
  const failed = [FAILED, UNAVAILABLE].includes(kind);
  return element("div", { class: "hk-progress" },
    element("u", {}, element("i", { class: KINDS[kind], style: `width: ${progress ?? 0}%` })),
    element("span", { class: failed && "hk-alert" },
      [known(progress) && `${Math.round(progress)} %`, !plain && word({ kind, ...video })].filter(Boolean).join(" ")));
}

// ---- a view

const going = ({ state }) => ["polling", "waiting"].includes(state);

function nextPoll(state) {
  const since = (Date.now() - state.heard) / 1000, due = Math.max(0, state.next ?? 0);
  if (going(state) && since > due + SILENT_AFTER_S) {
    return `no word since ${new Date(state.heard).toTimeString().slice(0, 5)}`;
  }
  return STATES[state.state] ?? `next ${state.failing ? "try" : "poll"} in ${Math.round(Math.max(0, due - since))} s`;
}

function tiles({ totals, state }) {
  const unknown = totals.credits_unknown, failed = totals.failed_credits;
  const share = known(failed) && totals.credits ? `, ${Math.round(100 * failed / totals.credits)} %` : "";
  const renders = totals.counts[RENDERING] || totals.counts[WAITING];
  const how = totals.left ? `left for the batch; ${count(totals.compared)} past batches compared`
    : totals.text ? "left at this pace; too few batches to compare"
      : renders ? "left: not known yet" : "left: nothing renders";
  return element("div", { class: "hk-tiles" }, ...[
    [totals.text || (renders ? DASH : "0 min"), how],
    [duration(totals.elapsed), "elapsed since the oldest render was created"],
    [number(totals.credits), unknown ? `credits, ${plural(unknown)} not known yet` : "credits"],
    [number(failed), `credits on failures${share}`],
    [[state.minute, state.limit].filter(known).map(count).join(" of "), "requests in the last minute"],
  ].map(([figure, what]) => element("div", {}, element("b", {}, figure), element("span", {}, what))));
}

function bar({ totals }) {
  const told = KINDS.map((kind, at) => `${kind} ${Math.round(100 * totals.done[at])} %`).join(", ");
  return element("div", { class: "hk-bar", role: "img", "aria-label": told },
    ...KINDS.map((kind, at) => element("i", { class: kind, style: `width: ${100 * totals.done[at]}%` })));
}

function reasons({ totals }) {
  const many = totals.counts[FAILED] + totals.counts[UNAVAILABLE];
  const told = totals.reasons.map(([reason, n]) => `${reason} (${count(n)})`).join(" · ");
  return element("p", { class: "hk-reasons" },
    element("b", { class: "hk-alert" }, many ? `${count(many)} failed: ` : ""), told);
}

function footnote({ totals, state }) {
  const over = totals.counts[COMPLETED] + totals.counts[FAILED];
  return `${count(state.requests)} requests so far`
    + (over ? `, ${tenths.format(state.requests / over)} per finished video` : "")
    + (known(totals.median) ? ` · median render ${duration(totals.median)}` : "")
    + (state.at ? ` · last response ${state.at} UTC` : "");
}

function view(model, el, data) {
  const token = Math.random().toString(36).slice(2);
  const choice = { search: "", kind: null, type: "", sort: null, down: 1, page: 0, picking: false, unfolded: false,
    hidden: new Set(["Status", "Elapsed"]) };
  const pending = new Set(); // what the kernel has not answered yet

  function asking(text, kind, settings, at = null) { // a button that needs the kernel
    const id = `${token} ${kind} ${at}`;
    const send = () => {
      pending.add(id);
      model.send({ kind, id, at });
      draw();
    };
    return button(text, send, { ...settings, disabled: pending.has(id) || settings.disabled });
  }
  function choose(change) {
    Object.assign(choice, { page: 0 }, change);
    draw(false);
  }

  function header() {
    const { totals, state } = data;
    const chips = KINDS.map((name, kind) => button(`${count(totals.counts[kind])} ${name}`,
      () => choose({ kind: choice.kind === kind ? null : kind }),
      { class: `hk-chip ${name}`, hidden: !totals.counts[kind] && choice.kind !== kind,
        "aria-pressed": String(choice.kind === kind) }));
    return element("header", {}, element("b", { class: "hk-title" }, plural(data.ids.length)),
      element("span", { class: "hk-chips", role: "group", "aria-label": "Filter by status" }, ...chips),
      element("span", { class: "hk-controls" },
        element("span", { class: "hk-alert hk-busy", role: "status", hidden: !pending.size }, "waiting for the kernel"),
        element("span", { class: "hk-quiet hk-next" }, nextPoll(state)),
        going(state) ? asking("❙❙ Pause", "pause", {})
          : asking(state.state === "paused" ? "▶ Resume" : "▶ Start", "start", {}),
        asking("↻ Refresh", "refresh", {}),
        asking("■ Stop", "stop", { disabled: !going(state) && state.state !== "paused",
          title: "Stop polling; the renders go on at Hooked" })));
  }

  function heading({ label, key, kind }) {
    const sorted = choice.sort === key, up = choice.down > 0;
    const next = !sorted ? { sort: key, down: 1 } : up ? { down: -1 } : { sort: null, down: 1 };
    return element("th", { scope: "col", class: kind, "aria-sort": sorted && (up ? "ascending" : "descending") },
      button(label, () => choose(next)));
  }

  function tools(columns, told) {
    const search = element("input", { type: "search", "aria-label": "Search",
      placeholder: "Search name, id, own columns …", value: choice.search,
      oninput: (event) => choose({ search: event.target.value }) });
    const found = [...new Set(data.rows.map((video) => video.type).filter(known))].sort();
    const types = element("select", { "aria-label": "Type", onchange: (event) => choose({ type: event.target.value }) },
      ...["", ...found].map((value) =>
        element("option", { value, selected: value === choice.type }, value || "Type: all")));
    const boxes = columns.slice(1).map(({ label, key }) => element("label", {}, element("input", { type: "checkbox",
      checked: !choice.hidden.has(key), onchange: (event) => {
        choice.hidden[event.target.checked ? "delete" : "add"](key);
        choose({ page: choice.page });
      } }), label));
    return element("div", { class: "hk-tools" }, search, types,
      element("details", { open: choice.picking },
        element("summary", { onclick: () => { choice.picking = !choice.picking; } }, "Columns"),
        element("div", { class: "hk-picker" }, ...boxes)),
      element("span", { class: "hk-quiet hk-count", role: "status" }, told));
  }

  function table(columns, videos, height) {
    const rows = videos.map((video) =>
      element("tr", { "data-at": video.at }, ...columns.map((column) => cell(video, data, column))));
    return element("div", { class: "hk-box", role: "region", tabindex: 0, "aria-label": "Videos",
      style: `min-height: ${height}px` },
    element("table", {}, element("thead", {}, element("tr", {}, ...columns.map(heading))),
      element("tbody", {}, ...rows)));
  }

  function pager(from, to, total) {
    const turn = (text, name, by, disabled) =>
      button(text, () => choose({ page: choice.page + by }), { "aria-label": name, disabled });
    return element("div", { class: "hk-pager", hidden: total <= PAGE_ROWS },
      turn("‹", "Previous videos", -1, from === 0),
      element("span", {}, `${count(from + 1)}–${count(to)} of ${count(total)}`),
      turn("›", "Next videos", 1, to >= total));
  }

  function page(height) {
    const { state, rows } = data, columns = columnsOf(data, asking), found = ordered(data, choice, columns);
    const completed = choice.kind === null && !choice.search ? found.filter(({ kind }) => kind === COMPLETED) : [];
    const foldable = completed.length > MAX_UNFOLDED, open = found.filter(({ kind }) => kind !== COMPLETED);
    const videos = !foldable ? found : choice.unfolded ? [...open, ...completed] : open;
    const credits = completed.reduce((sum, video) => sum + (video.credits ?? 0), 0);
    choice.page = Math.max(0, Math.min(choice.page, Math.ceil(videos.length / PAGE_ROWS) - 1));
    const from = choice.page * PAGE_ROWS, shown = videos.slice(from, from + PAGE_ROWS);
    const none = rows.length ? "No such videos." : "No video ids were given.";
    return element("section", { class: "hooked", "aria-label": "Progress of videos",
      "data-dark": isDark(el), "data-plain": !rows.some((video) => video.thumbnail) },
    header(), bar(data),
    element("p", { class: "hk-banner hk-alert", role: "status", hidden: !state.why }, state.why ?? ""),
    tiles(data),
    element("div", { class: "hk-charts" }, picture("Progress", progressPicture(data)),
      picture("Finished, and the range expected", finishedPicture(data))),
    reasons(data), tools(columns, `${count(videos.length)} of ${count(rows.length)}`),
    table(columns.filter((each) => !choice.hidden.has(each.key)), shown, videos.length < found.length ? 0 : height),
    button(`${choice.unfolded ? "▾" : "▸"} ${count(completed.length)} completed · ${number(credits)} credits`,
      () => choose({ unfolded: !choice.unfolded }),
      { class: "hk-fold", hidden: !foldable, "aria-expanded": String(choice.unfolded) }),
    element("p", { class: "hk-quiet", hidden: shown.length > 0 || foldable }, none),
    pager(from, from + shown.length, videos.length),
    element("footer", { class: "hk-quiet" }, footnote(data)));
  }

  const root = element("section", { class: "hooked", "aria-label": "Progress of videos", hidden: true });
  el.append(root);
  const hide = document.head.appendChild(element("style")); // the copy for saved notebooks, where there is more to show
  const timer = setInterval(() => {
    const next = root.querySelector(".hk-next");
    if (!next) return;
    next.textContent = nextPoll(data.state);
    root.toggleAttribute("data-dark", isDark(el)); // a theme may change, or come after the first draw
  }, 1000);
  let width = 0;

  function draw(keepHeight = true) { // so that nothing jumps while it updates
    const box = root.querySelector(".hk-box"), kept = keepHeight && box?.clientWidth === width;
    patch(root, page(kept ? box.offsetHeight : 0));
    width = root.querySelector(".hk-box").clientWidth;
  }
  function update(message) {
    pending.delete(message?.done);
    if (message?.link?.url && message.done?.startsWith(token)) {
      element("a", { href: message.link.url, ...NEW_TAB }).click();
    }
    if (!data.totals) return;
    hide.textContent = `.hooked-static-${data.state.token} { display: none !important }`;
    draw();
  }
  return { update, close: () => { clearInterval(timer); hide.remove(); } };
}

function isDark(el) { // by the ground we stand on: every front end names its themes otherwise
  const pen = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  for (let at = el; at; at = at.parentElement ?? at.getRootNode().host) {
    pen.clearRect(0, 0, 1, 1);
    // a canvas reads every way to write a colour; it is "" while we are in no page
    pen.fillStyle = getComputedStyle(at).backgroundColor || "transparent";
    pen.fillRect(0, 0, 1, 1);
    const [r, g, b, alpha] = pen.getImageData(0, 0, 1, 1).data;
    if (alpha > 127) return 0.3 * r + 0.6 * g + 0.1 * b < 128;
  }
  return false;
}

export default () => {
  const listeners = new Set();
  const { data, receive } = store(listeners);
  const hello = (model) => model.send({ kind: "hello" });
  return {
    initialize({ model }) {
      model.on("msg:custom", (message, buffers) => receive(message, buffers, () => hello(model)));
      hello(model);
    },
    render({ model, el }) {
      const made = view(model, el, data);
      listeners.add(made.update);
      made.update();
      return () => { listeners.delete(made.update); made.close(); };
    },
  };
};
