"use strict";
// The page's own script: colours, sorting, and the browser of judgments. All text of data sets and
// models goes to the page by textContent, with hidden characters shown by number.
(() => {
  const byId = (id) => document.getElementById(id);
  const root = document.documentElement;
  root.classList.add("js");

  // An element with properties and children; a text among the children becomes a text node.
  function make(tag, properties = {}, ...children) {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(properties)) {
      if (name in made && !name.startsWith("aria")) made[name] = value;
      else made.setAttribute(name, value);
    }
    made.append(...children.filter((child) => child !== null && child !== undefined));
    return made;
  }

  // Colours ---------------------------------------------------------------------------------------

  const KEPT = "pandalm-eval-theme";

  function kept() {
    try {
      return localStorage.getItem(KEPT) ?? "";
    } catch {
      return ""; // storage may be forbidden; then the choice lasts as long as the page
    }
  }

  function useTheme(theme) {
    if (theme) root.dataset.theme = theme;
    else delete root.dataset.theme;
  }

  function startTheme() {
    const choice = document.querySelector(".theme");
    choice.hidden = false;
    const chosen = [...choice.querySelectorAll("input")].find((input) => input.value === kept());
    if (chosen) chosen.checked = true;
    useTheme(chosen ? chosen.value : "");
    choice.addEventListener("change", (event) => {
      useTheme(event.target.value);
      try {
        localStorage.setItem(KEPT, event.target.value);
      } catch {
        // as above
      }
    });
  }

  // Sorting ---------------------------------------------------------------------------------------

  // What a cell is sorted by: a number, or its text.
  const orderOf = (cell) =>
    cell.dataset.order === undefined ? cell.textContent.trim() : Number(cell.dataset.order);

  function compare(one, other) {
    if (typeof one === "number" && typeof other === "number") return one - other;
    return String(one).localeCompare(String(other), "en", { numeric: true });
  }

  // Figures begin with the highest, texts with the first; what has none is always last.
  function sortBy(table, head) {
    const column = head.cellIndex;
    const rows = [...table.tBodies[0].rows].map((row) => [orderOf(row.cells[column]), row]);
    const numeric = rows.some(([order]) => typeof order === "number");
    const isTold = ([order]) => (numeric ? typeof order === "number" : order !== "–");
    const told = rows.filter(isTold);
    const before = head.getAttribute("aria-sort");
    const descending = before ? before === "ascending" : numeric;
    told.sort(([one], [other]) => (descending ? compare(other, one) : compare(one, other)));
    table.tBodies[0].append(
      ...[...told, ...rows.filter((row) => !isTold(row))].map(([, row]) => row),
    );
    for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", descending ? "descending" : "ascending");
  }

  function startSorting() {
    document.addEventListener("click", (event) => {
      const head = event.target.closest("table.sheet thead th");
      if (head) sortBy(head.closest("table"), head);
    });
  }

  // Hidden characters -----------------------------------------------------------------------------

  const data = JSON.parse(byId("data").textContent);
  const hidden = new RegExp(data.hidden, "gu");
  const numberOf = (character) =>
    `U+${character.codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}`;
  const visible = (text) =>
    text.replaceAll("\r\n", "\n").replace(hidden, (found) => `[${numberOf(found)}]`);

  // A block of a stranger's text, with hidden characters marked.
  function textBlock(label, text, className = "text") {
    const block = make("pre", { className, dir: "auto", tabIndex: 0, "aria-label": label });
    const told = text.replaceAll("\r\n", "\n");
    let end = 0;
    for (const found of told.matchAll(hidden)) {
      block.append(told.slice(end, found.index));
      block.append(make("span", { className: "hidden-character" }, numberOf(found[0])));
      end = found.index + found[0].length;
    }
    block.append(told.slice(end));
    if (told === "") block.append(make("i", {}, "(empty)"));
    return block;
  }

  // Judgments -------------------------------------------------------------------------------------

  const PROSE = "text prose"; // of the pair; what a judge read and wrote is in a typewriter's face
  const READING = ["verdict", "reason", "truncated", "seconds", "probabilities"];
  const named = (fields, values) => Object.fromEntries(fields.map((name, i) => [name, values[i] ?? null]));

  const judgments = data.judgments.map((row, index) => {
    const [run, id, hash, one, two, gold, annotators, lengths, verdict, marks, readings] = row;
    return {
      index,
      run: data.runs[run],
      id,
      hash,
      models: [one, two].map((place) => (place === null ? null : data.names[place])),
      gold,
      annotators,
      lengths,
      verdict,
      marks,
      readings: readings.map((reading) => named(READING, reading)),
      probabilities: row[11] ?? null,
      texts: row[12] ?? null,
    };
  });
  // Well-formed: no address can hold a surrogate on its own.
  const pathOf = (judgment) =>
    ["judgment", judgment.run.key, judgment.id].map((part) => part.toWellFormed());
  const linkOf = (judgment) => `#${pathOf(judgment).map(encodeURIComponent).join("/")}`;
  const byPath = new Map();
  const byPair = new Map();
  for (const judgment of judgments) {
    byPath.set(pathOf(judgment).join("\n"), judgment);
    const pair = `${judgment.id}\n${judgment.hash}`;
    if (!byPair.has(pair)) byPair.set(pair, []);
    byPair.get(pair).push(judgment);
  }

  const modelsOf = (judgment) =>
    judgment.models.includes(null) ? "" : [...judgment.models].sort().join("\n");

  // Filters ---------------------------------------------------------------------------------------

  const form = byId("filters");
  let shown = judgments;
  let page = 0;
  let open = null;
  const PAGE = 50;

  function fill(select, told) {
    for (const [value, label] of [...told].sort((a, b) => compare(a[1], b[1]))) {
      select.append(make("option", { value }, label));
    }
    select.closest("label").hidden = told.size < 2;
  }

  function fillFilters() {
    const runs = data.runs.map((run, i) => [String(i), visible(`${run.judge} (${run.protocol})`)]);
    const byLabel = new Map(); // one judge's runs of several tasks are one choice
    for (const [place, label] of runs) byLabel.set(label, [...(byLabel.get(label) ?? []), place]);
    fill(form.elements.run, new Map([...byLabel].map(([label, places]) => [places.join(), label])));
    fill(form.elements.task, new Map(data.runs.map((run) => [run.task, visible(run.task)])));
    const models = new Map();
    for (const judgment of judgments) {
      const told = modelsOf(judgment);
      if (told) models.set(told, visible(told.replace("\n", " · ")));
    }
    fill(form.elements.models, models);
  }

  let lowered = null;

  // By place, whether a text of the pool holds what is searched; each text is looked at once.
  function textsWith(wanted) {
    lowered ??= data.texts.map((text) => text.toLowerCase());
    return lowered.map((text) => text.includes(wanted));
  }

  function searchedPlaces(judgment) {
    const [own, , replies] = judgment.texts ?? [[], [], []];
    return [...own, ...replies];
  }

  function filterNow() {
    const told = new FormData(form);
    const wanted = told.get("search").trim().toLowerCase();
    const runs = told.get("run") ? new Set(told.get("run").split(",").map((i) => data.runs[i])) : null;
    const [task, models] = [told.get("task"), told.get("models")];
    const marks = told.getAll("marks").map(Number);
    const found = wanted ? textsWith(wanted) : null;
    const holds = (judgment) =>
      judgment.id.toLowerCase().includes(wanted) ||
      judgment.models.some((model) => model?.toLowerCase().includes(wanted)) ||
      searchedPlaces(judgment).some((place) => found[place]);
    shown = judgments.filter(
      (judgment) =>
        (!runs || runs.has(judgment.run)) &&
        (!task || judgment.run.task === task) &&
        (!models || modelsOf(judgment) === models) &&
        marks.every((mark) => judgment.marks.includes(mark)) &&
        (!found || holds(judgment)),
    );
    page = 0;
    list();
    highlight();
    performance.mark("filtered"); // what benchmarks/report_page.py waits for, as for "opened"
  }

  // The list --------------------------------------------------------------------------------------

  function chip(number, label = "") {
    const verdict = number === null ? null : data.verdicts[number];
    if (verdict === null) return make("span", { className: "of" }, "none");
    return make("span", { className: `chip ${verdict}` }, `${label}${verdict}`);
  }

  function listRow(judgment) {
    const models = judgment.models.includes(null)
      ? judgment.run.task
      : judgment.models.join(" · ");
    const judge =
      data.runs.length > 1
        ? make("small", {}, visible(`${judgment.run.judge} (${judgment.run.protocol})`))
        : null;
    const row = make(
      "tr",
      {},
      make("th", { scope: "row" }, make("a", { href: linkOf(judgment) }, visible(judgment.id))),
      make("td", {}, make("bdi", {}, visible(models)), judge),
      make("td", {}, chip(judgment.gold)),
      make("td", {}, chip(judgment.verdict)),
      make("td", { className: "orders" }, ...judgment.readings.map((one) => chip(one.verdict))),
    );
    if (judgment === open) row.setAttribute("aria-current", "true");
    if (judgment.marks.includes(0)) row.classList.add("wrong");
    return row;
  }

  function list() {
    const pages = Math.max(1, Math.ceil(shown.length / PAGE));
    const start = page * PAGE;
    byId("list").replaceChildren(...shown.slice(start, start + PAGE).map(listRow));
    byId("count").textContent = `${shown.length} of ${judgments.length} judgments`;
    const last = Math.min(start + PAGE, shown.length);
    byId("page").textContent = shown.length ? `${start + 1} to ${last} of ${shown.length}` : "none";
    byId("page-back").disabled = page === 0;
    byId("page-on").disabled = page >= pages - 1;
  }

  function turn(step) {
    page += step;
    list();
    byId("list").closest(".scroll").scrollTop = 0;
  }

  // One judgment ----------------------------------------------------------------------------------

  const joined = (places) => places.map((place) => data.texts[place]).join("");

  function probabilities(told) {
    if (!told) return null;
    const parts = told.map((p, i) =>
      make(
        "li",
        {},
        make("span", {}, data.verdicts[i]),
        make("meter", { min: 0, max: 1, value: p, "aria-label": `probability of ${data.verdicts[i]}` }),
        make("span", { className: "number" }, p.toFixed(4)),
      ),
    );
    return make("ul", { className: "probabilities" }, ...parts);
  }

  function readingPart(judgment, reading, swapped) {
    const [, prompts, replies] = judgment.texts ?? [[], [], []];
    const facts = [
      swapped ? "shown first: response 2" : "shown first: response 1",
      reading.reason && `invalid: ${reading.reason}`,
      reading.truncated && "prompt shortened",
      reading.seconds !== null && `${reading.seconds} s`,
    ].filter(Boolean);
    const order = swapped ? "swapped" : "as given";
    const part = make(
      "section",
      { className: "reading" },
      make("h4", {}, `Order ${order} `, chip(reading.verdict)),
      make("p", { className: "of" }, facts.join(" · ")),
      probabilities(reading.probabilities),
    );
    const at = Number(swapped);
    if (at in replies) {
      part.append(
        make("h5", {}, "The judge wrote"),
        textBlock(`What the judge wrote, order ${order}`, data.texts[replies[at]]),
      );
    }
    if (at in prompts) {
      const prompt = make("details", {}, make("summary", {}, "The exact prompt"));
      prompt.addEventListener("toggle", () => {
        if (prompt.childElementCount === 1) {
          prompt.append(textBlock(`The prompt, order ${order}`, joined(prompts[at])));
        }
      });
      part.append(prompt);
    }
    return part;
  }

  function responsePart(judgment, at) {
    const model = judgment.models[at];
    const facts = `${judgment.lengths[at]} characters`;
    const part = make(
      "section",
      {},
      make("h4", {}, `Response ${at + 1} `, make("bdi", { className: "of" }, visible(model ?? ""))),
      make("p", { className: "of" }, facts),
    );
    if (judgment.texts) {
      part.append(textBlock(`Response ${at + 1}`, data.texts[judgment.texts[0][2 + at]], PROSE));
    }
    return part;
  }

  function textParts(judgment) {
    const parts = [];
    if (judgment.texts) {
      const [instruction, input] = judgment.texts[0];
      parts.push(make("h4", {}, "Instruction"), textBlock("Instruction", data.texts[instruction], PROSE));
      if (data.texts[input]) {
        parts.push(make("h4", {}, "Input"), textBlock("Input", data.texts[input], PROSE));
      }
    } else {
      const why = "No texts here: the run's file has none, or the page was made with --no_text.";
      parts.push(make("p", { className: "warning" }, why));
    }
    const responses = [0, 1].map((at) => responsePart(judgment, at));
    return [...parts, make("div", { className: "pair" }, ...responses)];
  }

  function otherJudges(judgment) {
    const others = byPair.get(`${judgment.id}\n${judgment.hash}`).filter((one) => one !== judgment);
    if (!others.length) return null;
    const items = others.map((one) =>
      make(
        "li",
        {},
        make("a", { href: linkOf(one) }, visible(`${one.run.judge} (${one.run.protocol})`)),
        " ",
        chip(one.verdict),
      ),
    );
    return make(
      "section",
      {},
      make("h4", {}, "Other judges on this pair"),
      make("ul", { className: "others" }, ...items),
    );
  }

  function toolbar(judgment) {
    const at = shown.indexOf(judgment);
    const button = (label, step, key) => {
      const made = make("button", { type: "button", "aria-keyshortcuts": key }, label);
      made.disabled = !shown[at + step] || at < 0;
      made.addEventListener("click", () => step_(step));
      return made;
    };
    return make(
      "div",
      { className: "toolbar" },
      button("Previous (k)", -1, "k"),
      button("Next (j)", 1, "j"),
      make("span", { className: "of" }, at < 0 ? "outside the filters" : `${at + 1} of ${shown.length}`),
      make("a", { href: linkOf(judgment) }, "Permalink"),
    );
  }

  function headline(judgment) {
    const facts = make(
      "p",
      { className: "facts" },
      "verdict ",
      chip(judgment.verdict),
      " gold ",
      chip(judgment.gold),
    );
    if (judgment.annotators.length) {
      facts.append(" annotators ", ...judgment.annotators.map((label) => chip(label)));
    }
    for (const mark of judgment.marks) {
      facts.append(" ", make("span", { className: "mark" }, data.marks[mark]));
    }
    return facts;
  }

  function show(judgment) {
    open = judgment;
    const { judge, task, protocol, gold } = judgment.run;
    const about = visible(`${judge} on ${task} · ${protocol} · gold ${gold}`);
    const readings = judgment.readings.map((one, at) => readingPart(judgment, one, at === 1));
    byId("detail").replaceChildren(
      ...[
        toolbar(judgment),
        make("h3", { id: "detail-title" }, "Pair ", make("bdi", {}, visible(judgment.id))),
        make("p", { className: "of" }, about),
        headline(judgment),
        judgment.probabilities && make("p", { className: "of" }, "mean over both orders"),
        probabilities(judgment.probabilities),
        make("div", { className: "pair" }, ...readings),
        ...textParts(judgment),
        otherJudges(judgment),
      ].filter(Boolean),
    );
    byId("detail").scrollTop = 0;
    highlight();
    performance.mark("opened");
  }

  // Marks what is searched in the open judgment, without touching its text.
  function highlight() {
    if (!("highlights" in CSS)) return;
    const wanted = form.elements.search.value.trim().toLowerCase();
    const ranges = [];
    if (wanted) {
      const walker = document.createTreeWalker(byId("detail"), NodeFilter.SHOW_TEXT);
      while (walker.nextNode()) {
        const text = walker.currentNode.data.toLowerCase();
        if (text.length !== walker.currentNode.data.length) continue; // places would be others'
        for (let at = text.indexOf(wanted); at >= 0; at = text.indexOf(wanted, at + wanted.length)) {
          const range = new Range();
          range.setStart(walker.currentNode, at);
          range.setEnd(walker.currentNode, at + wanted.length);
          ranges.push(range);
        }
      }
    }
    CSS.highlights.set("found", new Highlight(...ranges));
  }

  // Permalinks and keys ---------------------------------------------------------------------------

  function linked() {
    try {
      const parts = location.hash.slice(1).split("/").map(decodeURIComponent);
      return byPath.get(parts.join("\n")) ?? null;
    } catch {
      return null; // no link of this page
    }
  }

  // Opens a judgment and turns the list to its page.
  function go(judgment, focus) {
    show(judgment);
    const at = shown.indexOf(judgment);
    if (at >= 0) page = Math.floor(at / PAGE);
    list();
    const current = byId("list").querySelector("[aria-current]");
    current?.scrollIntoView({ block: "nearest" });
    if (focus) byId("detail").focus({ preventScroll: true });
    const top = byId("detail").getBoundingClientRect().top;
    if (focus && (top < 0 || top > innerHeight * 0.6)) byId("detail").scrollIntoView();
  }

  function step_(step) {
    const next = shown[shown.indexOf(open) + step];
    if (!next) return;
    history.replaceState(null, "", linkOf(next));
    go(next, true);
  }

  function onKey(event) {
    const step = { j: 1, k: -1 }[event.key];
    const writes = event.target.closest("input, select, textarea");
    if (!step || writes || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    step_(step);
  }

  function startBrowser() {
    if (!form) return;
    fillFilters();
    form.hidden = false;
    byId("browser").hidden = false;
    let waiting = 0;
    form.addEventListener("input", () => {
      clearTimeout(waiting);
      waiting = setTimeout(filterNow, 100);
    });
    form.addEventListener("submit", (event) => event.preventDefault());
    form.addEventListener("reset", () => setTimeout(filterNow));
    byId("page-back").addEventListener("click", () => turn(-1));
    byId("page-on").addEventListener("click", () => turn(1));
    byId("judgments").addEventListener("keydown", onKey);
    addEventListener("hashchange", () => {
      const judgment = linked();
      if (judgment) go(judgment, true);
    });
    const first = linked();
    show(first ?? judgments[0]);
    if (first) go(first, true);
    else list();
  }

  // Printing shows what is folded.
  addEventListener("beforeprint", () => {
    for (const details of document.querySelectorAll("main details")) {
      details.open = true;
    }
  });

  startTheme();
  startSorting();
  startBrowser();
})();
