"use strict";
/* Numbers and elements. Text that comes from maps is only ever set as text. */

function make(name, attributes, ...children) {
	const node = document.createElement(name);
	for (const [key, value] of Object.entries(attributes || {}))
		if (key === "class") node.className = value;
		else if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
		else node.setAttribute(key, value);
	node.append(...children.filter((child) => child !== null));
	return node;
}

function draw(name, attributes, ...children) {
	const node = document.createElementNS("http://www.w3.org/2000/svg", name);
	for (const [key, value] of Object.entries(attributes || {})) node.setAttribute(key, value);
	node.append(...children);
	return node;
}

/* Only what differs is touched, so that a selection survives an update. */
function setText(node, text) {
	if (node.textContent !== text) node.textContent = text;
}

function setTitle(node, text) {
	if (node.title !== text) node.title = text;
}

const TIME_NS = { ns: 1, us: 1e3, ms: 1e6, s: 1e9 };
const grouped = new Intl.NumberFormat("en-US", { maximumFractionDigits: 6 });

/* Whole numbers that a double cannot hold come as text. */
function isNumber(value) {
	return typeof value === "number" || (typeof value === "string" && /^-?\d+$/.test(value));
}

function digits(number, significant) {
	const size = Math.abs(number);
	if (size >= 1000 || Number.isInteger(number)) return grouped.format(Math.round(number));
	return String(parseFloat(number.toPrecision(significant)));
}

function scaled(number, steps, base) {
	let unit = steps[0];
	for (const step of steps.slice(1)) {
		if (Math.abs(number) < base * 0.9995) break;
		number /= base;
		unit = step;
	}
	return digits(number, 3) + unit;
}

function humanTime(ns) {
	const size = Math.abs(ns);
	if (size < 1e3) return digits(ns, 3) + " ns";
	if (size < 1e6) return digits(ns / 1e3, 3) + " µs";
	if (size < 1e9) return digits(ns / 1e6, 3) + " ms";
	if (size < 120e9) return digits(ns / 1e9, 3) + " s";
	if (size < 7200e9) return digits(ns / 60e9, 3) + " min";
	return digits(ns / 3600e9, 3) + " h";
}

/* For people: "1.2 ms", "3.4 MiB", "12,345", "1.23 M". */
function human(value, unit) {
	if (value === null || value === undefined || value === "") return "–";
	const number = Number(value);
	if (unit in TIME_NS) return humanTime(number * TIME_NS[unit]);
	if (unit === "B") return scaled(number, [" B", " KiB", " MiB", " GiB", " TiB"], 1024);
	if (Math.abs(number) < 1e6) return digits(number, 4);
	return scaled(number / 1e6, [" M", " G", " T", " P", " E"], 1000);
}

/* All digits, and what the unit is. */
function exact(value, unit) {
	if (value === null || value === undefined) return "";
	const text = typeof value === "string" ? grouped.format(BigInt(value)) : grouped.format(value);
	return text + (unit ? " " + unit : "");
}

/* A bound of a histogram: with a unit as numbers are, else with the suffixes of text output, where 1K is 1024. */
function bound(value, unit) {
	if (unit && value !== 0) return human(value, unit);
	for (const [suffix, size] of [["E", 2 ** 60], ["P", 2 ** 50], ["T", 2 ** 40], ["G", 2 ** 30], ["M", 2 ** 20], ["K", 2 ** 10]])
		if (Math.abs(value) >= size && value % size === 0) return value / size + suffix;
	return grouped.format(value);
}

/* `bounded`: the upper bound is in it, as in the script's own bounds. */
function bucketLabel(low, high, unit, bounded) {
	if (bounded) return `(${low === null ? "…" : bound(low - 1, unit)}, ${high === null ? "…)" : bound(high - 1, unit) + "]"}`;
	if (low === null) return `(…, ${bound(high, unit)})`;
	if (high === null) return `[${bound(low, unit)}, …)`;
	if (high === low + 1 && !unit) return `[${bound(low, unit)}]`;
	return `[${bound(low, unit)}, ${bound(high, unit)})`;
}

function duration(seconds) {
	const s = Math.floor(seconds);
	if (s < 120) return s + " s";
	if (s < 7200) return Math.floor(s / 60) + " min";
	if (s < 172800) return Math.floor(s / 3600) + " h " + Math.floor((s % 3600) / 60) + " min";
	return Math.floor(s / 86400) + " d";
}

/* --- the tip that follows the pointer --- */

const tip = document.getElementById("tip");

function showTip(event, rows) {
	tip.replaceChildren(...rows.map(([name, value, color]) => {
		const row = make("div", {}, make("span", {}, name), make("b", {}, value));
		if (color) row.firstChild.style.color = color;
		return row;
	}));
	tip.hidden = false;
	const box = tip.getBoundingClientRect();
	tip.style.left = Math.max(4, Math.min(event.clientX + 14, innerWidth - box.width - 6)) + "px";
	tip.style.top = Math.max(4, Math.min(event.clientY + 14, innerHeight - box.height - 6)) + "px";
}

function hideTip() {
	tip.hidden = true;
}
