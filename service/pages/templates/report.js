"use strict";
// The servers of a report: one page of rows, or one server with its facts and its runbook, made of the data of the page.
// Search, filters, order and page are in the address; what comes from the data is only ever set as text.
(() => {
  const PAGE_SIZE = 100;
  const MAX_PRINTED_ROWS = 1000;
  const MAX_PRINTED_SERVERS = 500;
  const byId = (id) => document.getElementById(id);
  const source = byId("data");
  const list = byId("list");
  if (!source || !list) { return; }
  const data = JSON.parse(source.textContent);
  source.remove();

  // --- the data: see server_data.py ---
  const column = (values) => Array.isArray(values) ? (row) => values[row]
    : values.of ? (row) => values.texts[values.of[row]] : () => values.texts[0];
  const fill = (text, inserts) => text.replace(/[\u0001-\u001f]/g, (cut) => inserts[cut.charCodeAt(0) - 1] ?? "");
  const raw = Object.fromEntries(Object.entries(data.columns).map(([key, values]) => [key, column(values)]));
  const id = raw.id;
  const name = (row) => fill(raw.name(row), [id(row)]);
  const insertsOf = (row) => [id(row), name(row), raw.sinceAt(row)];
  const text = (key, row) => fill(raw[key](row), insertsOf(row));
  const facts = data.facts.map(column);
  const total = data.columns.id.length;
  const word = (row) => data.postures[raw.posture(row)][0];
  const tone = (row) => data.postures[raw.posture(row)][1];
  const runbookOf = (row) => {
    const found = data.runbooks.of[row];
    return found && data.runbooks.shapes[found[0]].map((line) => fill(data.runbooks.lines[line], [...insertsOf(row), ...found[1]])).join("\n");
  };

  // --- elements ---
  const make = (tag, content, attributes) => {
    const element = document.createElement(tag);
    for (const [key, value] of Object.entries(attributes || {})) { if (value) { element.setAttribute(key, value); } }
    element.append(...(content || []));
    return element;
  };
  const rowOf = (row) => make("tr", [
    make("th", [make("a", [name(row)], { href: `#${text("anchor", row)}` }), make("br"), make("span", [id(row)], { class: "soft" })],
      { scope: "row" }),
    make("td", [text("account", row)]),
    make("td", [text("region", row)]),
    make("td", [make("span", [word(row)], { class: tone(row) })]),
    make("td", [text("reason", row) || "\u2013"]),
    make("td", [text("since", row)]),
    make("td", [text("lag", row)]),
    make("td", [text("launch", row)]),
  ]);
  const serverOf = (row, isAlone) => {
    const anchor = text("anchor", row);
    const title = make(isAlone ? "h2" : "h3", [name(row)], { id: `${anchor}-title`, tabindex: "-1" });
    const inserts = insertsOf(row);
    const pairs = data.labels.flatMap((label, position) => {
      const value = facts[position](row);
      return value === null ? []
        : [make("dt", [label]), make("dd", [fill(value, inserts)], { class: position === 0 ? tone(row) : "" })];
    });
    const runbook = runbookOf(row);
    const missing = data.noRunbook[raw.posture(row) === "ready" ? "ready" : "notReady"];
    return make("section", [
      make("p", [make("a", ["Back to the servers"], { href: "#servers" })], { class: "screen" }),
      title,
      make("dl", pairs),
      make("h3", ["Failback runbook"]),
      runbook ? make("pre", [runbook]) : make("p", [fill(missing, inserts)], { class: "soft" }),
    ], { class: "server", id: anchor, "aria-labelledby": `${anchor}-title` });
  };

  // --- what is chosen ---
  const form = byId("filters");
  const body = list.querySelector("tbody");
  const fields = { q: "search", posture: "posture", account: "account", region: "region" };
  const field = (key) => byId(fields[key]);
  const buttons = Array.from(list.querySelectorAll("th button"));
  const keys = buttons.map((button) => button.dataset.sort);
  const LONGEST_FIRST = "lag";
  let sort = "";
  let page = 1;
  let chosen = [];

  let searched = null;
  const searchTexts = () => {
    searched ??= Array.from({ length: total }, (_, row) => {
      const inserts = insertsOf(row);
      const more = data.searched.map((position) => fill(facts[position](row) ?? "", inserts));
      return [name(row), id(row), raw.account(row), raw.region(row), word(row), raw.reason(row), ...more].join(" ").toLowerCase();
    });
    return searched;
  };
  const SORTED_BY = {
    name: (row) => name(row).toLowerCase(),
    posture: (row) => data.postures[raw.posture(row)][2],
    since: (row) => raw.sinceAt(row),
    lag: (row) => raw.lagSeconds(row),
    launch: (row) => raw.launchAt(row),
  };
  const choose = () => {
    const words = field("q").value.toLowerCase().split(/\s+/).filter(Boolean);
    const filters = ["posture", "account", "region"].filter((key) => field(key).value).map((key) => [key, field(key).value]);
    const texts = words.length ? searchTexts() : [];
    chosen = [];
    for (let row = 0; row < total; row += 1) {
      if (filters.every(([key, value]) => (key === "posture" ? raw.posture(row) : text(key, row)) === value)
        && words.every((each) => texts[row].includes(each))) { chosen.push(row); }
    }
    const key = sort.replace("-", "");
    if (!key) { return; }
    const direction = sort.startsWith("-") ? -1 : 1;
    const value = SORTED_BY[key] || ((row) => text(key, row).toLowerCase());
    const sorted = chosen.map((row) => ({ row, value: value(row) }));
    sorted.sort((a, b) => {
      // What is not known comes last, whatever the direction.
      const missing = (a.value === null || a.value === "") - (b.value === null || b.value === "");
      if (missing) { return missing; }
      return (a.value < b.value ? -direction : a.value > b.value ? direction : 0) || a.row - b.row;
    });
    chosen = sorted.map((each) => each.row);
  };

  // --- what is shown ---
  const number = (value) => value.toLocaleString("en");
  const pages = () => Math.max(1, Math.ceil(chosen.length / PAGE_SIZE));
  const showRows = (first, end) => {
    body.replaceChildren(...chosen.slice(first, end).map(rowOf));
    const shown = Math.min(end, chosen.length);
    byId("shown").textContent = `${number(chosen.length)} of ${number(total)} servers`
      + (shown - first < chosen.length ? `; ${number(first + 1)} to ${number(shown)} are shown` : "");
  };
  const showList = () => {
    page = Math.min(Math.max(1, page), pages());
    showRows((page - 1) * PAGE_SIZE, page * PAGE_SIZE);
    byId("pager").hidden = pages() === 1;
    byId("page").textContent = `page ${number(page)} of ${number(pages())}`;
    byId("previous").disabled = page === 1;
    byId("next").disabled = page === pages();
    buttons.forEach((button) => {
      const cell = button.closest("th");
      if (button.dataset.sort !== sort.replace("-", "")) { cell.removeAttribute("aria-sort"); }
      else { cell.setAttribute("aria-sort", sort.startsWith("-") ? "descending" : "ascending"); }
    });
  };
  const main = byId("main");
  const heading = document.title;
  let anchors = null;
  let openRow = -1;
  let scrolled = 0;
  const showServer = () => {
    anchors ??= new Map(Array.from({ length: total }, (_, row) => [text("anchor", row), row]));
    let wanted = location.hash.slice(1);
    try { wanted = decodeURIComponent(wanted); } catch { /* not encoded: taken as it is */ }
    const row = anchors.get(wanted) ?? -1;
    if (row === openRow) { return; }
    if (openRow < 0) { scrolled = scrollY; }
    const before = openRow;
    openRow = row;
    byId("facts").replaceChildren(...(row < 0 ? [] : [serverOf(row, true)]));
    main.classList.toggle("one", row >= 0);
    document.title = row < 0 ? heading : name(row);
    if (row >= 0) {
      scrollTo(0, 0);
      byId("facts").querySelector("h2").focus();
    } else if (before >= 0) {
      const link = Array.from(body.querySelectorAll("a")).find((each) => each.hash === `#${text("anchor", before)}`);
      if (wanted && byId(wanted) && !(wanted === "servers" && scrolled)) { byId(wanted).scrollIntoView(); } else { scrollTo(0, scrolled); }
      if (link && (!wanted || wanted === "servers")) { link.focus({ preventScroll: true }); }
    }
  };
  const remember = () => {
    const address = new URL(location.href);
    const values = { sort, page: page > 1 ? String(page) : "" };
    for (const key of Object.keys(fields)) { values[key] = field(key).value; }
    for (const [key, value] of Object.entries(values)) {
      if (value) { address.searchParams.set(key, value); } else { address.searchParams.delete(key); }
    }
    try { history.replaceState(history.state, "", address); } catch { /* some browsers refuse this for files */ }
  };
  const restore = () => {
    const params = new URLSearchParams(location.search);
    for (const key of Object.keys(fields)) { field(key).value = params.get(key) || ""; }
    for (const key of ["posture", "account", "region"]) { if (field(key).selectedIndex < 0) { field(key).value = ""; } }
    const wanted = params.get("sort") || "";
    sort = keys.includes(wanted.replace("-", "")) ? wanted : "";
    page = Number.parseInt(params.get("page") || "1", 10) || 1;
  };
  const change = (first) => {
    page = first;
    choose();
    showList();
    remember();
  };

  // --- printing: all rows that are chosen, and then these servers; or the one server that is open ---
  const preparePrint = () => {
    if (openRow >= 0) { return; }
    showRows(0, MAX_PRINTED_ROWS);
    const printed = chosen.slice(0, MAX_PRINTED_SERVERS);
    const note = chosen.length > printed.length
      ? `The first ${number(printed.length)} of ${number(chosen.length)} servers are printed here. To print others, choose them with the filters.`
      : "Each server of the table.";
    byId("facts").replaceChildren(make("h2", ["Each server"]), make("p", [note]), ...printed.map((row) => serverOf(row, false)));
  };
  const endPrint = () => {
    if (openRow >= 0) { return; }
    byId("facts").replaceChildren();
    showList();
  };

  list.hidden = false;
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("input", () => change(1));
  form.addEventListener("reset", () => setTimeout(() => { sort = ""; change(1); }));
  buttons.forEach((button) => button.addEventListener("click", () => {
    const key = button.dataset.sort;
    const first = key === LONGEST_FIRST ? `-${key}` : key;
    sort = sort === first ? (first === key ? `-${key}` : key) : first;
    change(1);
  }));
  const turn = (by) => {
    page += by;
    showList();
    remember();
    byId("servers").scrollIntoView();
  };
  byId("previous").addEventListener("click", () => turn(-1));
  byId("next").addEventListener("click", () => turn(1));
  addEventListener("hashchange", showServer);
  addEventListener("beforeprint", preparePrint);
  addEventListener("afterprint", endPrint);
  restore();
  choose();
  showList();
  showServer();
  const paper = matchMedia("print");
  paper.addEventListener("change", () => (paper.matches ? preparePrint() : endPrint()));
  if (paper.matches) { preparePrint(); }
})();
