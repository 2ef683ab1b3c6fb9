// The panel in the browser: the kernel sends data, this module draws. All text is set as text.

const KINDS = ["rendering", "failed", "unavailable", "unknown", "waiting", "completed"];
const [RENDERING, FAILED, UNAVAILABLE, UNKNOWN, WAITING, COMPLETED] = KINDS.keys();
const STATES = { ready: "not started", polling: "polling …", paused: "paused", stopped: "stopped",
  replaced: "a newer panel took over", ended: "all have ended", failed: "ended early" };
const INTERVALS = [1, 2, 5, 10, 30, 60];
const PAGE_ROWS = 12, MAX_UNFOLDED = 10, MAX_POINTS = 800, CHART_HEIGHT = 236;
const TICKS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200];
const COUNTS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000];
const WAITING_AFTER_MS = 500, SILENT_AFTER_S = 60, NEAR_PX = 40;
const DASH = "–";

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

function element(tag, settings = {}, ...children) {
  const svg = ["svg", "path", "line", "text", "circle"].includes(tag);
  const made = svg ? document.createElementNS("http://www.w3.org/2000/svg", tag)
    : document.createElement(tag);
  for (const [name, value] of Object.entries(settings)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (known(value) && value !== false) made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children);
  return made;
}
const pause = () => new Promise((done) => { setTimeout(done); }); // so that no task of the page is long
const write = (node, text) => { if (node.textContent !== text) node.textContent = text; };
const button = (text, onclick, settings) => element("button", { type: "button", onclick, ...settings }, text);
const quiet = (settings) => element("span", { class: "hk-quiet", ...settings });

function options(select, values, text, chosen) {
  if (select.childElementCount !== values.length) {
    select.replaceChildren(...values.map((value) => new Option(text(value), value)));
  }
  if (select.getRootNode().activeElement !== select) select.value = chosen;
}

// ---- data: what the kernel has sent, shared by all views of one model

function store(listeners) {
  const data = { ids: [], rows: [], own: {}, totals: null, state: {}, seq: 0, links: {}, types: new Set() };

  function put(at, value) { // fields in one order: objects of one shape are quick
    const video = { id: data.ids[at], at, own: Object.values(data.own).map((each) => each[at]) };
    data.fields.forEach((name, place) => { video[name] = value(place); });
    data.rows[at] = video;
    if (known(video.type)) data.types.add(video.type);
    data.pictured ||= known(video.thumbnail);
  }

  async function everything(buffer) {
    const stream = new Blob([buffer]).stream().pipeThrough(new DecompressionStream("deflate"));
    const { columns, ...sent } = await new Response(stream).json();
    await pause();
    Object.assign(data, sent, { rows: [] });
    data.ids.forEach((_, at) => put(at, (place) => columns[place][at]));
    await pause();
  }

  function changed(sent) {
    for (const [at, ...values] of sent.rows) put(at, (place) => values[place]);
    [data.totals, data.now] = [sent.totals, sent.now];
    data.series.push(...sent.points);
    data.lines.push(...sent.lines);
    if (data.series.length > MAX_POINTS) {
      data.series = data.series.filter((_, at, all) => at % 2 === 0 || at === all.length - 1);
    }
  }

  let queue = Promise.resolve(); // one after the other: unpacking takes a moment
  function receive(message, buffers, hello) {
    queue = queue.then(async () => {
      if (message.kind === "all") await everything(buffers[0]);
      else if (message.kind === "change" && message.seq === data.seq + 1) changed(message);
      else if (message.kind === "change") { if (message.seq > data.seq) hello(); return; }
      data.seq = message.seq ?? data.seq;
      if (message.link) data.links[message.link.at] = message.link;
      data.state = { ...message.state, heard: Date.now() };
      listeners.forEach((each) => each(message));
    }).catch((error) => console.error("hooked panel:", error));
  }
  return { data, receive };
}

// ---- pictures

function chart(label, describe) {
  const tip = element("div", { class: "hk-tip", hidden: true });
  const svg = element("svg", { role: "img", tabindex: 0, height: CHART_HEIGHT, onmousemove: near, onkeydown: press,
    onmouseleave: () => point(-1), onblur: () => point(-1) });
  const box = element("div", { class: "hk-chart" }, element("b", { class: "hk-label" }, label), svg, tip);
  let targets = [], at = -1, width = 0;

  function point(place) {
    at = Math.max(-1, Math.min(place, targets.length - 1));
    const target = targets[at];
    svg.querySelector(".hk-mark")?.remove();
    tip.hidden = !target;
    if (!target) return;
    svg.append(element("circle", { class: "hk-mark", cx: target.x, cy: target.y, r: 7 }));
    tip.replaceChildren(element("b", {}, target.title), element("span", {}, target.text));
    const left = target.x > width / 2;
    tip.style.left = `${target.x + (left ? -12 : 12)}px`;
    tip.style.top = `${target.y + 26}px`;
    tip.style.transform = `translate(${left ? "-100%" : 0}, -50%)`;
  }
  function near(event) {
    const frame = svg.getBoundingClientRect();
    const [x, y] = [event.clientX - frame.left, event.clientY - frame.top];
    const far = targets.map((each) => Math.hypot(each.x - x, each.anyHeight ? 0 : each.y - y));
    const least = far.indexOf(Math.min(...far));
    point(far[least] < NEAR_PX ? least : -1);
  }
  function press(event) {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (event.key === "Escape") point(-1);
    if (!step) return;
    point(Math.max(0, at + step));
    event.preventDefault();
    event.stopPropagation();
  }

  function draw(data) {
    width = Math.max(240, box.clientWidth);
    const drawn = describe(data, { left: 46, right: width - 20, top: 22, bottom: CHART_HEIGHT - 28 });
    targets = drawn.targets.sort((one, other) => one.x - other.x);
    svg.setAttribute("width", width);
    svg.setAttribute("viewBox", `0 0 ${width} ${CHART_HEIGHT}`);
    svg.setAttribute("aria-label", `${label}: ${drawn.summary}. Arrow keys show values.`);
    svg.replaceChildren(...drawn.marks);
    if (!tip.hidden) point(at);
  }
  return { box, draw };
}

const label = (x, y, anchor, text) => element("text", { x, y, "text-anchor": anchor }, text);
const path = (points, settings) => element("path",
  { d: points.map(([x, y], at) => `${at ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`).join(""), ...settings });
const rule = (size, y, name = "hk-rule") =>
  element("line", { class: name, x1: size.left, x2: size.right, y1: y, y2: y });
const rules = (size, values, y, text) => values.flatMap((value) =>
  [rule(size, y(value)), label(size.left - 7, y(value) + 4, "end", text(value))]);

function times(data, size) { // the axis of time both pictures share
  const first = Math.min(0, data.series[0]?.[0] ?? 0, data.lines[0]?.[0] ?? 0);
  const left = data.totals.left?.[1] ?? data.totals.pace ?? 0;
  const running = data.totals.counts[RENDERING] > 0, now = data.now ?? 0;
  const past = Math.max(now - first, 10);
  const length = past + (running ? Math.max(past / 8, Math.min(left, 2 * past + 60)) : 0);
  const wide = size.right - size.left, x = (at) => size.left + wide * (at - first) / length;
  const least = length > 150 ? 60 : 1;
  const step = TICKS.find((each) => each >= least && length / each <= Math.max(2, wide / 90)) ?? 86400;
  const [unit, name] = step < 60 ? [1, "s"] : step < 3600 ? [60, "min"] : [3600, "h"];
  const labels = Array.from({ length: Math.floor(length / step) + 1 }, (_, n) =>
    label(x(first + n * step), size.bottom + 20, "middle", `${n * step / unit} ${name}`));
  return { x, first, now, running, labels };
}

function progressPicture(data, size) {
  const axis = times(data, size), targets = [], lines = new Map();
  const y = (share) => size.bottom - (size.bottom - size.top) * share / 100;
  const marks = [...rules(size, [0, 25, 50, 75, 100], y, (v) => `${v} %`), ...axis.labels];
  for (const [at, place, share] of data.lines) {
    if (known(share)) lines.set(place, [...lines.get(place) ?? [], [at, share]]);
  }
  for (const [place, points] of [...lines].sort(([a], [b]) => data.rows[b].kind - data.rows[a].kind)) {
    const video = data.rows[place], kind = KINDS[video.kind], title = video.name || video.id;
    if (video.kind === RENDERING) points.push([axis.now, points.at(-1)[1]]);
    const drawn = points.map(([at, share]) => [axis.x(at), y(share)]), [cx, cy] = drawn.at(-1);
    marks.push(path(drawn, { class: `hk-line ${kind}` }), element("circle", { class: `hk-end ${kind}`, cx, cy, r: 4 }));
    targets.push(...points.map(([at, share], n) => ({ x: drawn[n][0], y: drawn[n][1], title,
      text: `${number(share)} % after ${duration(at - (video.created ?? axis.first))}` })));
  }
  const band = lines.size ? [] : data.series.filter((each) => each.length > 2);
  const edge = (column) => band.map((each) => [axis.x(each[0]), y(each[column])]);
  if (band.length > 1) {
    for (const [low, high] of [[2, 6], [3, 5]]) {
      marks.push(path([...edge(high), ...edge(low).reverse()], { class: "hk-band rendering" }));
    }
    marks.push(path(edge(4), { class: "hk-line rendering" }));
    targets.push(...band.map((each) => ({ x: axis.x(each[0]), y: y(each[4]), anyHeight: true,
      title: `median ${number(each[4])} % after ${duration(each[0] - axis.first)}`,
      text: `middle 80 %: ${number(each[2])}–${number(each[6])} %` })));
  }
  if (axis.running) {
    const x = axis.x(axis.now);
    marks.push(element("line", { class: "hk-now", x1: x, x2: x, y1: 10, y2: size.bottom }), label(x + 5, 14, "start", "now"));
  }
  const summary = band.length ? `median ${number(band.at(-1)[4])} %` : `${plural(lines.size)} drawn`;
  return { marks, targets, summary };
}

function finishedPicture(data, size) {
  const axis = times(data, size), { totals } = data, total = data.rows.length;
  const over = data.series.at(-1)?.[1] ?? 0, end = over + (totals.remaining ?? 0);
  const y = (n) => size.bottom - (size.bottom - size.top) * n / Math.max(total, 1);
  const step = COUNTS.find((n) => total / n <= 4) ?? total / 4;
  const ticks = Array.from({ length: Math.floor(total / step) + 1 }, (_, n) => n * step)
    .filter((tick) => tick === 0 || total - tick > step / 2);
  const ends = (totals.left ?? []).map((left) => axis.now + left);
  const steps = data.series.flatMap(([at, n], place, all) => [
    ...(place ? [[axis.x(at), y(all[place - 1][1])]] : []), [axis.x(at), y(n)]]);
  const expected = axis.running && totals.left ? `: in ${totals.text}` : "";
  const marks = [...rules(size, ticks, y, count), ...axis.labels, rule(size, y(total), "hk-now"),
    label(size.left - 7, y(total) + 4, "end", count(total)),
    label(size.right, y(total) - 7, "end", `all ${count(total)}${expected}`)];
  if (ends.length) {
    const corners = [[axis.now, over], ...ends.map((at) => [at, end])];
    marks.push(path(corners.map(([at, n]) => [axis.x(at), y(n)]), { class: "hk-band completed" }));
  }
  if (steps.length) marks.push(path(steps, { class: "hk-line completed" }));
  const target = (at, n, text) => ({ x: axis.x(at), y: y(n), anyHeight: true,
    title: `${count(n)} of ${count(total)}`, text });
  const targets = [...data.series.map(([at, n]) => target(at, n, `ended after ${duration(at - axis.first)}`)),
    ...ends.map((at) => target(at, end, `expected in ${duration(at - axis.now)}, in 4 of 5 cases`))];
  return { marks, targets, summary: `${count(over)} of ${count(total)} have ended` };
}

// ---- the table

const left = (video, data) => video.kind !== RENDERING ? "" : video.stuck ? "stuck?"
  : span(...[video.low, video.high].map((end) => known(end) ? end - data.now : null)) || DASH;
const elapsed = (video, data) => video.kind === RENDERING && known(video.created)
  ? data.now - video.created : video.took;
const word = (video) => video.kind === UNKNOWN ? (video.status ?? "unknown").toLowerCase() : KINDS[video.kind];

function columnsOf(data) {
  const own = Object.entries(data.own).map(([label, values], at) => ({ label, wide: true,
    right: values.every((value) => !known(value) || typeof value === "number"),
    value: (video) => video.own[at] ?? "" }));
  return [
    { label: "Video", value: (video) => video.name || video.id, fixed: true },
    ...own,
    { label: "Type", wide: true, value: (video) => video.type ?? "" },
    { label: "Status", wide: true, value: word },
    { label: "Progress", value: (video) => video.progress, fixed: true },
    { label: "Elapsed", right: true, value: elapsed, text: (v, data) => duration(elapsed(v, data)) },
    { label: "Left", right: true, text: left,
      value: (video) => video.kind === RENDERING ? video.high ?? Infinity : null },
    { label: "Credits", right: true, value: (video) => video.credits, text: (v) => number(v.credits) },
    { label: "Message", wide: true, value: (video) => video.message ?? "" },
  ];
}

// what "<" puts in the order of a person: 9 before 10, Ä beside A; a collator takes five times as long
const sortable = (text) => text.toLowerCase().normalize("NFD").replace(/\d+/g, (digits) => digits.padStart(12, "0"));

function ordered(data, choice, columns) {
  const needle = choice.search.trim().toLowerCase();
  const found = data.rows.filter((video) =>
    (choice.kind === null || video.kind === choice.kind) && (!choice.type || video.type === choice.type)
    && (!needle || (video.text ??= [video.id, video.name, video.type, ...video.own].join("\n").toLowerCase())
      .includes(needle)));
  const over = found.filter((video) => video.kind === COMPLETED);
  const foldable = over.length > MAX_UNFOLDED && choice.kind === null && !needle;
  const column = columns.find((each) => each.label === choice.sort);
  const key = (video) => { // of a text it is kept until the row changes
    const value = column.value(video, data);
    return typeof value === "string" ? (video.keys ??= {})[column.label] ??= sortable(value) : value;
  };
  function order(videos) {
    if (!column) return videos.sort((one, other) => one.kind - other.kind || one.at - other.at);
    return videos.map((video) => [key(video), video]).sort(([a, one], [b, other]) => {
      if (!known(a) || !known(b)) return known(b) - known(a) || one.at - other.at; // missing comes last
      return choice.down * ((a > b) - (a < b)) || one.at - other.at;
    }).map(([, video]) => video);
  }
  const open = order(foldable ? found.filter((video) => video.kind !== COMPLETED) : found);
  return { found, over, foldable, videos: foldable && choice.unfolded ? [...open, ...order(over)] : open };
}

function rowOf(send, data) {
  const image = element("img", { alt: "", loading: "lazy", referrerpolicy: "no-referrer",
    onerror: () => { image.hidden = true; } });
  const name = element("span", { class: "hk-name" }), id = element("code");
  const under = element("span", { class: "hk-under" });
  let video;
  const open = button("open ↗", () => send("open", open, { at: video.at }), { class: "hk-link" });
  const link = element("a", { class: "hk-link", target: "_blank", rel: "noopener noreferrer" }, "ready ↗");
  const copy = button("copy id", async () => {
    try { await navigator.clipboard.writeText(video.id); copy.textContent = "copied"; }
    catch { getSelection().selectAllChildren(id); copy.textContent = "selected"; }
    setTimeout(() => { copy.textContent = "copy id"; }, 1500);
  }, { class: "hk-link" });
  const bar = element("i"), share = element("span"), tr = element("tr"), cells = new Map();
  const fixed = {
    Video: element("td", {}, element("div", { class: "hk-video" },
      element("span", { class: "hk-thumb" }, image), element("div", {}, name,
        element("span", { class: "hk-id" }, id, " ", open, link, " ", copy), under))),
    Progress: element("td", {}, element("div", { class: "hk-progress" }, element("u", {}, bar), share)),
  };

  function shape(columns) {
    cells.clear();
    tr.replaceChildren(...columns.map((column) => {
      if (column.fixed) return fixed[column.label];
      const names = [column.right && "hk-right", column.wide && "hk-wide", column.label === "Message" && "hk-message"];
      cells.set(column, element("td", { class: names.filter(Boolean).join(" ") }));
      return cells.get(column);
    }));
  }
  function show(now) {
    video = now;
    const source = /^https?:/i.test(video.thumbnail ?? "") ? video.thumbnail : "";
    if (image.dataset.source !== source) {
      image.dataset.source = source;
      image.hidden = !source;
      if (source) image.src = source; else image.removeAttribute("src");
    }
    write(name, video.name ?? "");
    write(id, video.id ?? "no id");
    write(under, [...video.own, video.type, video.message].filter(known).join(" · "));
    const url = data.links[video.at]?.url;
    link.hidden = !url;
    open.hidden = Boolean(url) || video.kind !== COMPLETED;
    if (url) link.href = url;
    const told = known(video.progress), plain = told && [RENDERING, COMPLETED].includes(video.kind);
    bar.className = KINDS[video.kind];
    bar.style.width = `${Math.min(100, Math.max(0, video.progress ?? 0))}%`;
    write(share, [told && `${Math.round(video.progress)} %`, !plain && word(video)].filter(Boolean).join(" "));
    share.className = [FAILED, UNAVAILABLE].includes(video.kind) ? "hk-alert" : "";
    for (const [column, cell] of cells) {
      const value = (column.text ?? column.value)(video, data);
      write(cell, column.right && typeof value === "number" ? number(value) : String(value ?? ""));
      if (column.label === "Left") cell.classList.toggle("hk-alert", value === "stuck?");
    }
  }
  return { tr, shape, show };
}

// ---- a view

function view(model, el, data) {
  const token = Math.random().toString(36).slice(2);
  const choice = { search: "", kind: null, type: "", sort: null, down: 1, unfolded: false, page: 0,
    hidden: new Set(["Status", "Elapsed"]) };
  const pending = new Map(); // buttons that wait for the kernel
  let asked = 0;
  function send(kind, from, more = {}) {
    const id = `${token}-${asked += 1}`;
    model.send({ kind, id, ...more });
    from.disabled = true;
    const told = setTimeout(() => { busy.hidden = false; }, WAITING_AFTER_MS);
    pending.set(id, () => { clearTimeout(told); from.disabled = false; busy.hidden = true; });
  }

  const title = element("b", { class: "hk-title" }), next = quiet(), foot = quiet(), pages = element("span");
  const busy = element("span", { class: "hk-alert", role: "status", hidden: true }, "waiting for the kernel");
  const chips = KINDS.map((name, kind) => button("", () => choose({ kind: choice.kind === kind ? null : kind }),
    { class: `hk-chip ${name}` }));
  const go = button("Start", () => send(going() ? "pause" : "start", go));
  const again = button("↻ Refresh", () => send("refresh", again));
  const end = button("■ Stop", () => send("stop", end), { title: "Stop polling; the renders go on at Hooked" });
  const parts = KINDS.map((kind) => element("i", { class: kind }));
  const bar = element("div", { class: "hk-bar", role: "img" }, ...parts);
  const tiles = Array.from({ length: 5 }, () => element("div", {}, element("b"), element("span")));
  const banner = element("p", { class: "hk-banner hk-alert", role: "status", hidden: true });
  const reasons = element("p", { class: "hk-reasons" });
  const charts = [chart("Progress", progressPicture), chart("Finished, and the range expected", finishedPicture)];
  const search = element("input", { type: "search", placeholder: "Search name, id, own columns …",
    "aria-label": "Search", oninput: () => choose({ search: search.value }) });
  const types = element("select", { "aria-label": "Type", onchange: () => choose({ type: types.value }) });
  const picker = element("div", { class: "hk-picker" });
  const shownOf = quiet({ class: "hk-quiet hk-count", role: "status" });
  const head = element("tr"), body = element("tbody"), slots = [];
  const box = element("div", { class: "hk-box", role: "region", tabindex: 0, "aria-label": "Videos" },
    element("table", {}, element("thead", {}, head), body));
  const fold = button("", () => choose({ unfolded: !choice.unfolded, page: choice.page }), { class: "hk-fold" });
  const turn = (text, step, name) => button(text, () => choose({ page: choice.page + step }), { "aria-label": name });
  const back = turn("‹", -1, "Previous videos"), forth = turn("›", 1, "Next videos");
  const pager = element("div", { class: "hk-pager" }, back, pages, forth);
  const every = element("select", { onchange: () => send("interval", every, { seconds: Number(every.value) }) });
  const root = element("section", { class: "hooked", "aria-label": "Progress of videos" },
    element("header", {}, title,
      element("span", { class: "hk-chips", role: "group", "aria-label": "Filter by status" }, ...chips),
      element("span", { class: "hk-controls" }, busy, next, go, again, end)),
    bar, banner, element("div", { class: "hk-tiles" }, ...tiles),
    element("div", { class: "hk-charts" }, ...charts.map((each) => each.box)), reasons,
    element("div", { class: "hk-tools" }, search, types,
      element("details", {}, element("summary", {}, "Columns"), picker), shownOf),
    box, fold, pager,
    element("footer", {}, foot, element("label", {}, "Poll every ", every)));
  el.append(root);

  const going = () => ["polling", "waiting"].includes(data.state.state);
  function choose(change) {
    Object.assign(choice, { page: 0 }, change);
    box.style.minHeight = "";
    filters();
    table();
  }

  function headings(columns) {
    const made = JSON.stringify([columns.map((each) => each.label), choice.sort, choice.down]);
    if (head.dataset.made === made) return;
    const focused = head.contains(head.getRootNode().activeElement) ? choice.sort : null;
    head.dataset.made = made;
    head.replaceChildren(...columns.map((column) => {
      const sorted = column.label === choice.sort, up = choice.down > 0;
      const press = button(column.label, () => choose(!sorted ? { sort: column.label, down: 1 }
        : up ? { down: -1 } : { sort: null, down: 1 }));
      press.append(element("span", { "aria-hidden": "true" }, sorted ? (up ? " ▲" : " ▼") : ""));
      if (column.label === focused) queueMicrotask(() => press.focus());
      return element("th", { scope: "col", class: `${column.right ? "hk-right" : ""} ${column.wide ? "hk-wide" : ""}`,
        "aria-sort": sorted && (up ? "ascending" : "descending") }, press);
    }));
    slots.forEach((slot) => slot.shape(columns));
  }

  function table() {
    const all = columnsOf(data), optional = all.slice(1);
    if (picker.childElementCount !== optional.length) {
      picker.replaceChildren(...optional.map(({ label }) => {
        const box = element("input", { type: "checkbox", checked: !choice.hidden.has(label), onchange: () => {
          choice.hidden[box.checked ? "delete" : "add"](label);
          choose({ page: choice.page });
        } });
        return element("label", {}, box, label);
      }));
    }
    const columns = all.filter((each) => !choice.hidden.has(each.label));
    const { found, over, foldable, videos } = ordered(data, choice, all);
    choice.page = Math.max(0, Math.min(choice.page, Math.ceil(videos.length / PAGE_ROWS) - 1));
    const from = choice.page * PAGE_ROWS, page = videos.slice(from, from + PAGE_ROWS);
    headings(columns);
    for (let at = slots.length; at < page.length; at += 1) (slots[at] = rowOf(send, data)).shape(columns);
    page.forEach((video, at) => slots[at].show(video));
    const folded = foldable && !choice.unfolded;
    const wanted = slots.slice(0, page.length).map((slot) => slot.tr);
    if (!page.length && !folded) wanted.push(element("tr", {}, element("td", { class: "hk-quiet",
      colspan: columns.length }, data.rows.length ? "No such videos." : "No video ids were given.")));
    if (wanted.length !== body.childElementCount || wanted.at(-1) !== body.lastChild) body.replaceChildren(...wanted);
    pager.hidden = videos.length <= PAGE_ROWS;
    write(pages, `${count(from + 1)}–${count(from + page.length)} of ${count(videos.length)}`);
    [back.disabled, forth.disabled] = [from === 0, from + page.length >= videos.length];
    fold.hidden = !foldable;
    fold.setAttribute("aria-expanded", choice.unfolded);
    const spent = over.reduce((sum, video) => sum + (video.credits ?? 0), 0);
    const median = known(data.totals.median) ? ` · median render ${duration(data.totals.median)}` : "";
    write(fold, `${folded ? "▸" : "▾"} ${count(over.length)} completed · ${number(spent)} credits${median}`);
    write(shownOf, `${count(folded ? videos.length : found.length)} of ${count(data.rows.length)}`
      + (folded ? " · completed folded" : ""));
  }

  function filters() {
    chips.forEach((chip, kind) => {
      chip.hidden = !data.totals.counts[kind];
      chip.setAttribute("aria-pressed", choice.kind === kind);
      write(chip, `${count(data.totals.counts[kind])} ${KINDS[kind]}`);
    });
    options(types, ["", ...[...data.types].sort()], (type) => type || "Type: all", choice.type);
  }

  function figures() {
    const { totals, state } = data, unknown = totals.credits_unknown, failed = totals.failed_credits;
    const share = known(failed) && totals.credits ? `, ${Math.round(100 * failed / totals.credits)} %` : "";
    const renders = totals.counts[RENDERING] || totals.counts[WAITING];
    const how = totals.left ? `left for the batch; ${count(totals.compared)} past batches compared`
      : totals.text ? "left at this pace; too few batches to compare"
        : renders ? "left: not known yet" : "left: nothing renders";
    [[totals.text || (renders ? DASH : "0 min"), how],
      [duration(totals.elapsed), "elapsed since the oldest render was created"],
      [number(totals.credits), unknown ? `credits, ${plural(unknown)} not known yet` : "credits"],
      [number(failed), `credits on failures${share}`],
      [[state.minute ?? 0, state.limit].filter(known).map(count).join(" of "), "requests in the last minute"],
    ].forEach((texts, tile) => texts.forEach((text, line) => write(tiles[tile].children[line], text)));
    parts.forEach((part, kind) => { part.style.width = `${100 * totals.done[kind]}%`; });
    bar.setAttribute("aria-label", KINDS.map((kind, at) => `${kind} ${Math.round(100 * totals.done[at])} %`).join(", "));
    const many = totals.counts[FAILED] + totals.counts[UNAVAILABLE];
    reasons.replaceChildren(...(many ? [element("b", { class: "hk-alert" }, `${count(many)} failed: `),
      totals.reasons.map(([reason, n]) => `${reason} (${count(n)})`).join(" · ")] : []));
    const over = totals.counts[COMPLETED] + totals.counts[FAILED];
    write(foot, `${count(state.requests)} requests so far`
      + (over ? `, ${tenths.format(state.requests / over)} per finished video` : "")
      + (state.at ? ` · last response ${state.at} UTC` : ""));
  }

  function tick() {
    const { state } = data, since = (Date.now() - (state.heard ?? Date.now())) / 1000;
    const silent = going() && since > Math.max(state.next ?? 0, 0) + SILENT_AFTER_S;
    const due = Math.max(0, Math.round((state.next ?? 0) - since));
    write(next, silent ? `no word since ${new Date(state.heard).toTimeString().slice(0, 5)}`
      : STATES[state.state] ?? `next ${state.failing ? "try" : "poll"} in ${due} s`);
  }

  function update(message) {
    pending.get(message?.done)?.();
    pending.delete(message?.done);
    if (message?.link?.url && message.done?.startsWith(token)) {
      element("a", { href: message.link.url, target: "_blank", rel: "noopener noreferrer" }).click();
    }
    const { state } = data, why = message?.link?.error ?? state.why;
    root.hidden = !data.totals;
    if (root.hidden) return;
    // the copy for saved notebooks, only where there is more to show
    write(hide, `.hooked-static-${state.token} { display: none !important }`);
    root.toggleAttribute("data-dark", isDark(el));
    root.toggleAttribute("data-plain", !data.pictured);
    write(title, plural(data.ids.length));
    write(go, going() ? "❙❙ Pause" : state.state === "paused" ? "▶ Resume" : "▶ Start");
    end.disabled = !going() && state.state !== "paused";
    banner.hidden = !why;
    write(banner, why ?? "");
    const steps = [...new Set([...INTERVALS, state.interval])].sort((a, b) => a - b);
    options(every, steps, (step) => `${step} s`, state.interval);
    filters();
    figures();
    charts.forEach((each) => each.draw(data));
    table();
    tick();
    const height = Math.max(parseFloat(box.style.minHeight) || 0, box.offsetHeight);
    if (height) box.style.minHeight = `${height}px`; // nothing jumps while it updates
  }
  const timer = setInterval(tick, 1000);
  let wide = 0;
  const resized = new ResizeObserver(() => {
    if (!data.totals || Math.abs(root.clientWidth - wide) < 2) return;
    wide = root.clientWidth;
    box.style.minHeight = "";
    charts.forEach((each) => each.draw(data));
  });
  resized.observe(root);
  const hide = document.head.appendChild(element("style"));
  return { update, close: () => { clearInterval(timer); resized.disconnect(); hide.remove(); } };
}

function isDark(el) { // by the ground we stand on: every front end names its themes otherwise
  const pen = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  for (let at = el; at; at = at.parentElement ?? at.getRootNode().host) {
    pen.clearRect(0, 0, 1, 1);
    pen.fillStyle = getComputedStyle(at).backgroundColor; // a canvas reads every way to write a colour
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
