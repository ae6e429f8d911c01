/*
 * The page: asks for /state.json each second and shows it. A view belongs to each map; it keeps what the reader chose (order,
 * column, row) and the history that has come so far.
 */

const base = location.origin + location.pathname.replace(/[^/]*$/, "");
const element = (id) => document.getElementById(id);
const ROWS_STEPS = [25, 100, 400, 1000];
const PERIOD_MS = 1000;

/* --- history --- */

/* Points by sample number: `from` is the number of the first. */
function appendPoints(old, from, fresh, keep) {
	if (!old || from > old.from + old.points.length || from < old.from) return { from, points: fresh.slice(-keep) };
	const points = old.points.slice(0, from - old.from).concat(fresh);
	const cut = Math.max(0, points.length - keep);
	return { from: old.from + cut, points: points.slice(cut) };
}

class History {
	constructor() {
		this.lines = new Map();
		this.heat = null;
		this.columns = [];
		this.note = "";
	}

	take(fresh, samples) {
		if (!fresh) return;
		const alive = new Map();
		for (const line of fresh.lines) {
			const old = this.lines.get(line.id);
			alive.set(line.id, {
				key: line.key,
				columns: line.values.map((values, i) => appendPoints(old && old.columns[i], line.from, values, samples)),
			});
		}
		this.lines = alive;
		this.columns = fresh.columns;
		this.note = fresh.note;
		if (fresh.heat) {
			this.heat = Object.assign(appendPoints(this.heat, fresh.heat.from, fresh.heat.samples, samples),
				{ name: fresh.heat.name, unit: fresh.heat.unit });
		}
	}

	/* The points of a line with a place for each sample up to `tick`. */
	static aligned(part, tick, samples) {
		const out = new Array(samples).fill(null), first = tick - samples + 1;
		part.points.forEach((value, i) => {
			const at = part.from + i - first;
			if (at >= 0 && at < samples) out[at] = value;
		});
		return out;
	}
}

/* --- one map --- */

const NUMERIC = new Set(["number", "count", "quantile"]);

class MapView {
	constructor(script, index) {
		this.script = script;
		this.index = index;
		this.history = new History();
		this.order = null; /* {column, descending}, when the reader has chosen */
		this.steps = 0;
		this.picked = null;
		this.choice = 0;
		this.visible = true;
		this.title = make("h3");
		this.note = make("span", { class: "quiet" });
		this.element = make("section", { class: "card" }, make("header", {}, this.title, this.note));
		new IntersectionObserver((entries) => {
			this.visible = entries[entries.length - 1].isIntersecting;
			if (this.visible) this.paint();
		}, { rootMargin: "200px" }).observe(this.element);
		/* Cards of any height lie close together: each takes as many of the grid's low rows as it is high. */
		this.width = 0;
		new ResizeObserver(() => {
			if (!this.isTile) this.element.style.gridRowEnd = `span ${Math.ceil(this.element.offsetHeight) + 16}`;
			if (this.width === this.element.clientWidth) return;
			this.width = this.element.clientWidth;
			this.paint();
		}).observe(this.element);
	}

	/* What kind of card it is depends on the columns, which are known with the first row. */
	build(map) {
		this.shape = JSON.stringify([map.columns, map.scalar]);
		this.columns = map.columns || [];
		this.keys = this.columns.filter((column) => column.kind === "key").length;
		this.hists = this.columns.map((column, i) => (column.kind === "hist" ? i : -1)).filter((i) => i >= 0);
		this.weight = this.columns.findIndex((column) => column.kind === "count");
		if (this.weight < 0) this.weight = this.columns.findIndex((column) => column.kind === "number");
		const values = this.columns.slice(this.keys);
		this.isTile = map.scalar && values.length === 1 && values[0].kind !== "hist";
		this.hasTable = !this.isTile && (this.keys > 0 || values.length > 1);
		while (this.element.children.length > 1) this.element.lastChild.remove();
		this.element.className = "card" + (this.isTile ? " tile" : "") + (this.columns.length > 7 ? " wide" : "");
		this.lines = this.heat = this.bars = this.table = null;
		if (this.isTile) this.buildTile();
		else this.buildCard();
	}

	buildTile() {
		this.number = make("div", { class: "number" });
		this.rate = make("div", { class: "quiet" });
		this.spark = draw("svg", { "aria-hidden": "true" });
		this.element.replaceChildren(this.title, this.number, this.rate, this.spark);
		this.element.firstChild.append();
	}

	buildCard() {
		this.element.replaceChildren(make("header", {}, this.title, this.note));
		this.choices = make("div", { class: "choice", role: "group", "aria-label": "What the lines show" });
		this.lines = new LineChart();
		this.element.append(this.choices, this.lines.element);
		if (this.hists.length) {
			this.bars = this.hists.map(() => new Histogram());
			this.element.append(...this.bars.map((one) => one.element));
		}
		this.heat = new HeatMap();
		this.element.append(this.heat.element);
		if (this.hasTable) this.buildTable();
		this.rest = make("div", { class: "rest quiet" });
		this.count = make("span");
		this.more = make("button", { class: "more", type: "button", onclick: () => { this.steps++; this.render(); } }, "Show more");
		this.rest.append(this.count, this.more);
		this.element.append(this.rest);
	}

	buildTable() {
		const head = make("tr");
		this.columns.forEach((column, i) => {
			const button = make("button", { type: "button", onclick: () => this.sortBy(i) }, column.name);
			head.append(make("th", { scope: "col", class: NUMERIC.has(column.kind) ? "num" : "" }, button));
		});
		this.body = make("tbody");
		this.caption = make("caption", { class: "hidden" });
		this.table = make("table", {}, this.caption, make("thead", {}, head), this.body);
		this.element.append(make("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Rows" }, this.table));
	}

	sortBy(column) {
		const first = NUMERIC.has(this.columns[column].kind) || this.columns[column].kind === "hist";
		const now = this.sorting();
		this.order = now.column === column ? { column, descending: !now.descending } : { column, descending: first };
		this.render();
		wake();
	}

	sorting() {
		if (this.order) return this.order;
		return this.weight >= 0 ? { column: this.weight, descending: true } : { column: 0, descending: false };
	}

	/* What the server must know to send the right rows of a map that it does not send whole. */
	wish() {
		if (!this.map || !this.order || this.map.found <= this.map.rows.length) return null;
		return `${this.script}.${this.index}.${this.order.column}.${this.order.descending ? "d" : "a"}`;
	}

	update(map, data) {
		this.map = map;
		this.data = data;
		const fresh = data.tick !== this.tick;
		this.tick = data.tick;
		this.history.take(map.history, data.samples);
		if (this.shape !== JSON.stringify([map.columns, map.scalar])) this.build(map);
		setText(this.title, map.name);
		this.render();
		if (fresh) this.paint();
	}

	render() {
		if (!this.map) return;
		if (this.isTile) return this.renderTile();
		const map = this.map, parts = [];
		if (map.problem) parts.push(map.problem);
		if (this.keys) parts.push(`${grouped.format(map.total)} ${map.total === 1 ? "row" : "rows"}`);
		if (map.age !== null && map.age !== undefined) parts.push(`last interval, printed ${duration(map.age)} ago`);
		if (this.history.note) parts.push(this.history.note);
		setText(this.note, parts.join(" · "));
		if (this.hasTable) this.renderTable();
		else this.rest.hidden = true;
		if (this.bars) this.renderBars();
	}

	renderTile() {
		const column = this.columns[this.columns.length - 1], cell = this.map.rows.length ? this.map.rows[0][0] : null;
		setText(this.number, isNumber(cell) ? human(cell, column.unit) : cell === null ? "–" : String(cell));
		setTitle(this.number, isNumber(cell) ? exact(cell, column.unit) : "");
		this.element.dataset.value = cell === null ? "" : String(cell);
	}

	rows() {
		const { column, descending } = this.sorting(), find = element("find").value.trim().toLowerCase();
		const kind = this.columns[column].kind;
		const weigh = (cell) => (kind === "hist" && cell ? cell.hist.reduce((sum, n, i) => sum + (i % 3 === 2 ? n : 0), 0) : cell);
		const shown = (cell) => cell !== null && typeof cell !== "object" && String(cell).toLowerCase().includes(find);
		const rows = find ? this.map.rows.filter((row) => row.some(shown)) : this.map.rows.slice();
		rows.sort((a, b) => compareCells(weigh(a[column]), weigh(b[column]), descending));
		return rows;
	}

	renderTable() {
		const rows = this.rows(), most = ROWS_STEPS[Math.min(this.steps, ROWS_STEPS.length - 1)], n = Math.min(rows.length, most);
		const { column, descending } = this.sorting();
		[...this.table.tHead.rows[0].cells].forEach((th, i) => {
			if (i === column) th.setAttribute("aria-sort", descending ? "descending" : "ascending");
			else th.removeAttribute("aria-sort");
		});
		setText(this.caption, this.map.name);
		while (this.body.rows.length > n) this.body.deleteRow(-1);
		while (this.body.rows.length < n) this.body.append(this.makeRow());
		this.heaviest = this.weight < 0 ? 0 : rows.reduce((max, row) => Math.max(max, Number(row[this.weight])), 0);
		for (let i = 0; i < n; i++) this.fillRow(this.body.rows[i], rows[i]);
		/* Rows that the server left out count as well. */
		const left = (this.map.found > this.map.rows.length ? this.map.found : rows.length) - n;
		setText(this.count, this.map.total === 0 ? "empty" : left > 0 ? `and ${grouped.format(left)} more` : rows.length ? "" : "no row has this text");
		this.more.hidden = rows.length <= n;
		this.rest.hidden = !this.count.textContent;
	}

	makeRow() {
		return make("tr", {}, ...this.columns.map((column, i) => {
			if (column.kind === "hist") return make("td", {}, draw("svg", { class: "mini", "aria-hidden": "true" }));
			const cell = make("td", { class: NUMERIC.has(column.kind) ? "num" : column.kind });
			if (i === this.weight) cell.classList.add("weight");
			if (i === 0 && this.hists.length && this.keys) {
				cell.append(make("button", { type: "button", class: "pick", "aria-pressed": "false", onclick: (event) => this.pick(event) }));
			}
			return cell;
		}));
	}

	fillRow(tr, row) {
		row.forEach((cell, i) => {
			const td = tr.cells[i], column = this.columns[i];
			if (column.kind === "hist") return miniature(td.firstChild, cell ? cell.hist : []);
			if (i === this.weight)
				td.style.setProperty("--share", (this.heaviest > 0 && this.map.total > 1 ? (100 * Number(cell)) / this.heaviest : 0) + "%");
			fillCell(td, cell, column);
		});
		const key = this.keyOf(row), button = tr.querySelector(".pick");
		tr.dataset.key = key;
		tr.classList.toggle("picked", key === this.picked);
		if (button) button.setAttribute("aria-pressed", String(key === this.picked));
	}

	keyOf(row) {
		return JSON.stringify(row.slice(0, this.keys));
	}

	pick(event) {
		const key = event.target.closest("tr").dataset.key;
		this.picked = this.picked === key ? null : key;
		this.render();
	}

	/* The histogram of the row that was picked, else of all of them. */
	renderBars() {
		const row = this.keys ? this.map.rows.find((one) => this.keyOf(one) === this.picked) : this.map.rows[0];
		this.hists.forEach((column, i) => {
			const all = this.map.sums ? this.map.sums[column] : null, source = row ? row[column] : all;
			const name = this.hists.length > 1 ? this.columns[column].name + ", " : "";
			const of = !this.keys ? "" : row ? row.slice(0, this.keys).join(", ") : this.map.total > 1 ? "all rows" : "";
			this.bars[i].show(name + of, source ? source.hist : [], this.columns[column].unit,
				this.columns[column].bounded);
			this.bars[i].element.hidden = !source || !source.hist.length;
		});
	}

	/* --- pictures, drawn anew with each sample --- */

	paint(unseen) {
		if (!this.map || !this.data || !(this.visible || unseen)) return;
		if (this.isTile) return this.paintTile();
		this.paintLines();
		const heat = this.history.heat;
		this.heat.element.hidden = !heat || heat.points.filter((sample) => sample).length < 2;
		if (this.heat.element.hidden) return;
		this.heat.show((heat.name || this.map.name) + " over time",
			{ samples: History.aligned(heat, this.tick, this.span()), unit: heat.unit }, this.data.step);
	}

	paintTile() {
		const column = this.columns[this.columns.length - 1], line = [...this.history.lines.values()][0];
		const points = line && line.columns.length ? History.aligned(line.columns[0], this.tick, this.span()) : [];
		const last = points.length ? points[points.length - 1] : null;
		const first = points.findIndex((value) => value !== null);
		setText(this.rate, column.kind === "count" && last !== null ? formatRate(last, column.unit) : "");
		sparkline(this.spark, first < 0 ? [] : points.slice(first));
	}

	/* How many samples are shown: as many as there are, a minute at least. */
	span() {
		return Math.max(Math.min(12, this.data.samples), Math.min(this.data.samples, this.tick));
	}

	/* With one row its columns of one unit are lines; with several, one column of each row. */
	options() {
		const kept = this.history.columns.map((index, at) => ({ column: this.columns[index], at })).filter((one) => one.column);
		const single = this.history.lines.size === 1;
		const quantiles = kept.filter((one) => one.column.kind === "quantile");
		const options = [];
		if (single && quantiles.length > 1) options.push({ name: "quantiles", parts: quantiles });
		for (const one of kept)
			if (!(single && quantiles.length > 1 && one.column.kind === "quantile"))
				options.push({ name: one.column.name + (one.column.kind === "count" ? " /s" : ""), parts: [one] });
		return options;
	}

	paintLines() {
		const options = this.options(), lines = [...this.history.lines.values()];
		const any = options.length > 0 && lines.some((line) => line.columns.some((part) =>
			History.aligned(part, this.tick, this.span()).some((value) => value !== null)));
		this.lines.element.hidden = this.choices.hidden = !any;
		if (!any) return;
		if (this.choice >= options.length) this.choice = 0;
		this.paintChoices(options);
		const chosen = options[this.choice], series = [];
		for (const line of lines)
			for (const part of chosen.parts)
				series.push({
					name: chosen.parts.length > 1 ? part.column.name : line.key.map(oneLine).join(", ") || this.map.name,
					points: History.aligned(line.columns[part.at], this.tick, this.span()),
				});
		series.forEach((one, i) => { one.color = colorOf(i); });
		const column = chosen.parts[0].column;
		const format = (value) => (column.kind === "count" ? formatRate(value, column.unit) : human(value, column.unit));
		this.lines.show(`${this.map.name} ${chosen.name}`, series, this.span(), this.data.step, format,
			column.kind === "quantile");
	}

	paintChoices(options) {
		const names = JSON.stringify(options.map((option) => option.name));
		this.choices.hidden = options.length < 2;
		if (names !== this.choiceNames) {
			this.choiceNames = names;
			this.choices.replaceChildren(...options.map((option, i) => make("button", {
				type: "button", onclick: () => { this.choice = i; this.paint(); },
			}, option.name)));
		}
		[...this.choices.children].forEach((button, i) => button.setAttribute("aria-pressed", String(i === this.choice)));
	}
}

function oneLine(text) {
	return text.split("\n")[0];
}

function formatRate(value, unit) {
	return human(value, unit) + "/s";
}

function compareCells(a, b, descending) {
	const missing = (x) => x === null || x === undefined;
	if (missing(a) || missing(b)) return missing(a) - missing(b);
	let order = isNumber(a) && isNumber(b) ? Number(a) - Number(b) : String(a).localeCompare(String(b), "en", { numeric: true });
	return descending ? -order : order;
}

/* Text of several lines, a stack, folds. */
function fillCell(td, cell, column) {
	if (typeof cell === "string" && cell.includes("\n") && !NUMERIC.has(column.kind)) {
		const lines = cell.split("\n");
		td.classList.remove("none");
		let details = td.querySelector("details");
		if (!details) {
			details = make("details", {}, make("summary"), make("pre"));
			(td.querySelector(".pick") ? td : (td.replaceChildren(), td)).append(details);
		}
		setText(details.firstChild, `${lines[0]} (+${lines.length - 1})`);
		setText(details.lastChild, lines.slice(1).join("\n"));
		return;
	}
	const numeric = NUMERIC.has(column.kind), target = td.querySelector(".pick") || td;
	const number = isNumber(cell) && (numeric || typeof cell === "number");
	td.classList.toggle("none", cell === "");
	const text = cell === null ? "–" : cell === "" ? "(empty)" : number && numeric ? human(cell, column.unit) : String(cell);
	if (target === td && td.querySelector("details")) td.replaceChildren();
	setText(target, text);
	setTitle(td, number && numeric ? exact(cell, column.unit) : "");
}

/* --- scripts --- */

class ScriptView {
	constructor(id) {
		this.id = id;
		this.maps = [];
		this.heading = make("h2");
		this.banner = make("p", { class: "banner", hidden: "" });
		this.tiles = make("div", { class: "tiles" });
		this.cards = make("div", { class: "maps" });
		this.element = make("section", { class: "script", id: "script" + id }, this.heading, this.banner, this.tiles, this.cards);
		this.dot = make("i", { class: "dot" });
		this.name = make("strong");
		this.facts = make("span", { class: "quiet" });
		this.lost = make("span", { class: "lost" });
		this.link = make("a", { href: "#script" + id }, this.dot, this.name, this.facts, this.lost);
	}

	update(script, data) {
		const bad = script.state === "failed" || script.missing > 0;
		this.dot.className = "dot" + (bad ? " bad" : script.state === "ended" ? " ended" : "");
		setText(this.name, script.name);
		setTitle(this.link, script.why || "");
		const facts = [script.state];
		if (script.state !== "failed") facts.push(`${grouped.format(script.probes)} ${script.probes === 1 ? "probe" : "probes"}`);
		if (script.missing) facts.push(`${grouped.format(script.missing)} missing`);
		if (script.events) facts.push(`${human(script.events)} events`);
		setText(this.facts, facts.join(" · "));
		setText(this.lost, script.lost ? `${human(script.lost)} lost` : "");
		setText(this.heading, script.name);
		this.banner.hidden = !script.why;
		setText(this.banner, script.why || "");
		script.maps.forEach((map, i) => {
			const view = this.maps[i] || (this.maps[i] = new MapView(this.id, i));
			view.update(map, data);
			const parent = view.isTile ? this.tiles : this.cards;
			if (view.element.parentNode !== parent) parent.append(view.element);
		});
	}
}

/* --- the page --- */

const page = { scripts: new Map(), since: 0, start: null, paused: false, timer: 0, failures: 0, asking: false, again: false };

function setStatus(kind, text) {
	element("status").className = "pill " + kind;
	setText(element("status"), text);
}

function show(data) {
	const start = data.time - data.uptime;
	if (page.start !== null && (Math.abs(start - page.start) > 5 || data.tick < page.since)) {
		/* Another run of the program: nothing of the old one holds. */
		page.start = null;
		page.since = 0;
		page.scripts.clear();
		element("main").replaceChildren();
		element("scripts").replaceChildren();
		return wake();
	}
	page.start = start;
	page.since = data.tick;
	setText(element("host"), data.host);
	setText(element("version"), "jbtrace " + data.version);
	setText(element("uptime"), "up " + duration(data.uptime));
	document.title = `jbtrace · ${data.host}`;
	const alive = new Set(data.scripts.map((script) => script.id));
	for (const [id, view] of page.scripts)
		if (!alive.has(id)) {
			view.element.remove();
			view.link.remove();
			page.scripts.delete(id);
		}
	for (const script of data.scripts) {
		let view = page.scripts.get(script.id);
		if (!view) {
			page.scripts.set(script.id, view = new ScriptView(script.id));
			element("main").append(view.element);
			element("scripts").append(view.link);
		}
		view.update(script, data);
	}
	element("main").classList.toggle("single", data.scripts.length === 1);
	const lost = data.scripts.reduce((sum, script) => sum + script.lost, 0);
	const healthy = data.scripts.length > 0 && data.scripts.every((script) => script.state === "running" && !script.missing);
	if (page.paused) setStatus("wait", "Paused");
	else if (!healthy) setStatus("bad", "Unhealthy");
	else if (lost) setStatus("wait", `Healthy, ${human(lost)} lost`);
	else setStatus("good", "Healthy");
	document.body.dataset.updates = String(Number(document.body.dataset.updates || 0) + 1);
}

function question() {
	const query = new URLSearchParams();
	query.set("since", page.since);
	const find = element("find").value.trim();
	if (find && new TextEncoder().encode(find).length < 64) query.set("find", find);
	let sorts = 0;
	for (const script of page.scripts.values())
		for (const view of script.maps) {
			const wish = view.wish();
			if (wish && sorts++ < 16) query.append("sort", wish);
		}
	return base + "state.json?" + query;
}

async function ask() {
	if (page.asking) {
		page.again = true;
		return;
	}
	page.asking = true;
	page.again = false;
	try {
		const response = await fetch(question(), { cache: "no-store", signal: AbortSignal.timeout(10000) });
		if (!response.ok) throw new Error(`${response.status} ${(await response.text()).trim()}`);
		show(await response.json());
		page.failures = 0;
	} catch (error) {
		page.failures++;
		/* One lost answer is no news. */
		if (page.failures > 1) setStatus("bad", "No answer");
		if (!(error instanceof TypeError) && error.name !== "TimeoutError") setTitle(element("status"), String(error.message || error));
	}
	for (const view of document.querySelectorAll(".card")) view.classList.toggle("stale", page.failures > 1);
	page.asking = false;
	schedule(page.again ? 0 : PERIOD_MS * Math.min(1 + page.failures, 10));
}

function schedule(ms) {
	clearTimeout(page.timer);
	if (!page.paused && !document.hidden) page.timer = setTimeout(ask, ms);
}

/* Ask now, not at the next second. */
function wake() {
	schedule(0);
	if (page.asking) page.again = true;
}

function repaint() {
	for (const script of page.scripts.values()) for (const view of script.maps) view.paint(true);
}

element("pause").addEventListener("click", () => {
	page.paused = !page.paused;
	element("pause").setAttribute("aria-pressed", String(page.paused));
	setText(element("pause"), page.paused ? "Resume" : "Pause");
	if (page.paused) setStatus("wait", "Paused");
	wake();
});
element("find").addEventListener("input", () => {
	for (const script of page.scripts.values()) for (const view of script.maps) view.render();
	wake();
});
document.addEventListener("visibilitychange", wake);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", repaint);
addEventListener("resize", repaint);
ask();
