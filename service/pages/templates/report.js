"use strict";
// Search, filters and order of the table of servers, kept in the address of the page. Without it, all rows are shown.
(() => {
  const form = document.getElementById("filters");
  const body = document.querySelector("#servers tbody");
  addEventListener("beforeprint", () => document.querySelectorAll("details").forEach((each) => { each.open = true; }));
  if (!form || !body) { return; }
  const rows = Array.from(body.rows, (row, place) => ({ row, place, text: row.textContent.toLowerCase() }));
  const fields = { q: "search", posture: "posture", account: "account", region: "region" };
  const field = (name) => document.getElementById(fields[name]);
  const status = document.getElementById("shown");
  const buttons = Array.from(document.querySelectorAll("#servers th button"));
  const keys = buttons.map((button) => button.dataset.sort);
  let sort = "";

  const valueOf = (row, column, isNumber) => {
    const text = row.cells[column].dataset.value;
    return isNumber ? (text === "" ? null : Number(text)) : text.toLowerCase();
  };
  const order = () => {
    const descending = sort.startsWith("-");
    const column = keys.indexOf(sort.replace("-", ""));
    buttons.forEach((button, position) => {
      const cell = button.closest("th");
      if (position === column) { cell.setAttribute("aria-sort", descending ? "descending" : "ascending"); }
      else { cell.removeAttribute("aria-sort"); }
    });
    const isNumber = column >= 0 && buttons[column].dataset.number === "1";
    const sorted = rows.map((each) => ({ each, value: column < 0 ? each.place : valueOf(each.row, column, isNumber) }));
    sorted.sort((a, b) => {
      // What is not known comes last, whatever the direction.
      const missing = (a.value === null || a.value === "") - (b.value === null || b.value === "");
      if (missing) { return missing; }
      const difference = a.value < b.value ? -1 : a.value > b.value ? 1 : 0;
      return (descending ? -difference : difference) || a.each.place - b.each.place;
    });
    body.append(...sorted.map(({ each }) => each.row));
  };
  const filter = () => {
    const words = field("q").value.toLowerCase().split(/\s+/).filter(Boolean);
    let count = 0;
    for (const { row, text } of rows) {
      const shown = words.every((word) => text.includes(word))
        && ["posture", "account", "region"].every((name) => !field(name).value || row.dataset[name] === field(name).value);
      row.hidden = !shown;
      count += shown;
    }
    status.textContent = `${count} of ${rows.length} listed servers are shown`;
  };
  const remember = () => {
    const address = new URL(location.href);
    for (const name of Object.keys(fields)) {
      if (field(name).value) { address.searchParams.set(name, field(name).value); } else { address.searchParams.delete(name); }
    }
    if (sort) { address.searchParams.set("sort", sort); } else { address.searchParams.delete("sort"); }
    try { history.replaceState(null, "", address); } catch { /* some browsers refuse this for files */ }
  };
  const restore = () => {
    const params = new URLSearchParams(location.search);
    for (const name of Object.keys(fields)) { field(name).value = params.get(name) || ""; }
    for (const name of ["posture", "account", "region"]) { if (field(name).selectedIndex < 0) { field(name).value = ""; } }
    const wanted = params.get("sort") || "";
    sort = keys.includes(wanted.replace("-", "")) ? wanted : "";
  };

  form.hidden = false;
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("input", () => { filter(); remember(); });
  form.addEventListener("reset", () => setTimeout(() => { sort = ""; order(); filter(); remember(); }));
  buttons.forEach((button) => {
    button.disabled = false;
    button.addEventListener("click", () => {
      const key = button.dataset.sort;
      sort = sort === key ? `-${key}` : key;
      order();
      remember();
    });
  });
  restore();
  order();
  filter();
})();
