/* Pictures: lines over time, histograms as bars, a heat map of a histogram over time. */

const COLORS = 8;

function colorOf(index) {
	return `var(--c${index % COLORS})`;
}

/* A round number that is not below `value`. */
function roundUp(value) {
	if (!(value > 0)) return 1;
	const power = 10 ** Math.floor(Math.log10(value));
	return [1, 2, 2.5, 5, 10].find((step) => step * power >= value * 0.999) * power;
}

function ago(samples, step) {
	const seconds = Math.round(samples * step);
	return seconds < 60 ? `${seconds} s ago` : `${digits(seconds / 60, 2)} min ago`;
}

/* --- lines --- */

/* The path of one line; a gap where there is no value. */
function curve(points, x, y) {
	let path = "", pen = false;
	points.forEach((value, i) => {
		if (value === null || value === undefined) {
			pen = false;
			return;
		}
		path += (pen ? "L" : "M") + x(i).toFixed(1) + " " + y(value).toFixed(1);
		/* A lone point is a dot. */
		if (!pen && (points[i + 1] === null || points[i + 1] === undefined)) path += "h0.01";
		pen = true;
	});
	return path;
}

/*
 * series: [{name, points, color}], each with `samples` points of which the last is now. `format` makes text of a value.
 * `spread`: small values matter as much as big ones, so that a logarithmic scale is taken when they lie far apart.
 */
class LineChart {
	constructor() {
		this.svg = draw("svg", { class: "lines", role: "img" });
		this.legend = make("figcaption");
		this.element = make("figure", {}, this.svg, this.legend);
		this.svg.addEventListener("pointermove", (event) => this.point(event));
		this.svg.addEventListener("pointerleave", () => this.leave());
	}

	show(title, series, samples, step, format, spread) {
		Object.assign(this, { title, series, samples, step, format, spread });
		this.paint();
		this.legend.replaceChildren(...series.map((one) => {
			const mark = make("i");
			const last = one.points[one.points.length - 1];
			mark.style.background = one.color;
			return make("span", { title: one.name }, mark, make("b", {}, one.name),
				last === null || last === undefined ? "–" : format(last));
		}));
	}

	/* Which share of the height a value has, and the values that have a line of the grid. */
	scale() {
		let most = 0, least = Infinity;
		for (const one of this.series)
			for (const value of one.points) {
				if (value > most) most = value;
				if (value > 0 && value < least) least = value;
			}
		if (!this.spread || most < 50 * least) {
			const max = roundUp(most);
			return { share: (value) => value / max, marks: [0, max / 2, max] };
		}
		const low = Math.floor(Math.log10(least)), high = Math.ceil(Math.log10(most) - 1e-9), every = Math.ceil((high - low) / 4);
		const marks = [];
		for (let power = low; power <= high; power += every) marks.push(10 ** power);
		return { share: (value) => (Math.max(Math.log10(Math.max(value, 1e-30)), low) - low) / (high - low), marks };
	}

	paint() {
		if (!this.series) return;
		const width = Math.max(this.svg.clientWidth || 480, 160), height = this.svg.clientHeight || 136;
		const left = 58, right = width - 4, top = 8, bottom = height - 18;
		const { share, marks } = this.scale();
		this.x = (i) => left + ((right - left) * i) / (this.samples - 1);
		this.y = (value) => bottom - (bottom - top) * share(value);
		const nodes = [];
		for (const value of marks) {
			const y = Math.round(this.y(value)) + 0.5;
			nodes.push(draw("line", { class: "grid", x1: left, x2: right, y1: y, y2: y }));
			const label = draw("text", { x: left - 6, y: y + 4, "text-anchor": "end" });
			label.textContent = this.format(value);
			nodes.push(label);
		}
		const span = this.samples * this.step;
		for (const [at, anchor] of [[0, "start"], [0.5, "middle"], [1, "end"]]) {
			const label = draw("text", { x: left + (right - left) * at, y: height - 3, "text-anchor": anchor });
			label.textContent = at === 1 ? "now" : duration(span * (1 - at)) + " ago";
			nodes.push(label);
		}
		for (const one of this.series) {
			const path = draw("path", { class: "curve", d: curve(one.points, this.x, this.y) });
			path.style.stroke = one.color;
			nodes.push(path);
		}
		this.rule = draw("line", { class: "rule", y1: top, y2: bottom, visibility: "hidden" });
		this.svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
		this.svg.setAttribute("aria-label", this.title + ", now: " + this.series.map((one) => {
			const last = one.points[one.points.length - 1];
			return one.name + " " + (last === null || last === undefined ? "no value" : this.format(last));
		}).join(", "));
		this.svg.replaceChildren(...nodes, this.rule);
	}

	point(event) {
		if (!this.series) return;
		const box = this.svg.getBoundingClientRect();
		const i = Math.round(((event.clientX - box.left - 58) / (box.width - 62)) * (this.samples - 1));
		if (i < 0 || i >= this.samples) return this.leave();
		this.rule.setAttribute("x1", this.x(i));
		this.rule.setAttribute("x2", this.x(i));
		this.rule.setAttribute("visibility", "visible");
		const rows = this.series.filter((one) => one.points[i] !== null && one.points[i] !== undefined)
			.map((one) => [one.name, this.format(one.points[i]), null]);
		showTip(event, [[i === this.samples - 1 ? "now" : ago(this.samples - 1 - i, this.step), "", null], ...rows]);
	}

	leave() {
		if (this.rule) this.rule.setAttribute("visibility", "hidden");
		hideTip();
	}
}

/* A line without axes, for a tile. */
function sparkline(svg, points) {
	const known = points.filter((value) => value !== null && value !== undefined);
	const max = Math.max(...known, 0) || 1;
	const path = draw("path", {
		class: "curve",
		d: curve(points, (i) => 1 + (142 * i) / Math.max(points.length - 1, 1), (value) => 30 - (27 * value) / max),
	});
	path.style.stroke = "var(--c0)";
	svg.setAttribute("viewBox", "0 0 144 32");
	svg.setAttribute("preserveAspectRatio", "none");
	svg.replaceChildren(path);
}

/* --- histograms --- */

const BARS_MAX = 40;

/* [low, high, count, low, high, count, ...] to buckets; neighbours are put together when there are too many to read. */
function bucketsOf(flat, most) {
	const all = [];
	for (let i = 0; i < flat.length; i += 3) {
		const last = all[all.length - 1];
		/* Where no row has a bucket there is an empty one. */
		if (last && last.high !== null && flat[i] > last.high) all.push({ low: last.high, high: flat[i], count: 0 });
		all.push({ low: flat[i], high: flat[i + 1], count: flat[i + 2] });
	}
	const group = Math.ceil(all.length / most);
	if (group <= 1) return all;
	const few = [];
	for (let i = 0; i < all.length; i += group) {
		const part = all.slice(i, i + group);
		few.push({
			low: part[0].low,
			high: part[part.length - 1].high,
			count: part.reduce((sum, one) => sum + one.count, 0),
		});
	}
	return few;
}

/* Bars beside labels and counts, as in a terminal. */
class Histogram {
	constructor() {
		this.caption = make("caption");
		this.body = make("tbody");
		this.element = make("table", { class: "hist" }, this.caption, this.body);
	}

	show(title, flat, unit, bounded) {
		const buckets = bucketsOf(flat, BARS_MAX);
		const most = Math.max(1, ...buckets.map((one) => one.count));
		const total = buckets.reduce((sum, one) => sum + one.count, 0);
		setText(this.caption, `${title ? title + " · " : ""}${human(total)} ${total === 1 ? "value" : "values"}`);
		while (this.body.rows.length > buckets.length) this.body.deleteRow(-1);
		while (this.body.rows.length < buckets.length)
			this.body.append(make("tr", {}, make("td", { class: "label" }), make("td", { class: "bar" }, make("div")),
				make("td", { class: "num" })));
		buckets.forEach((one, i) => {
			const [label, bar, count] = this.body.rows[i].cells;
			setText(label, bucketLabel(one.low, one.high, unit, bounded));
			setTitle(label, `${one.low === null ? "less" : exact(one.low, unit)} … ${one.high === null ? "more" : exact(one.high, unit)}`);
			bar.firstChild.style.setProperty("--share", (100 * one.count) / most + "%");
			bar.firstChild.style.visibility = one.count ? "visible" : "hidden";
			setText(count, human(one.count));
			setTitle(count, exact(one.count));
		});
	}
}

/* The shape of a histogram in a cell. */
function miniature(svg, flat) {
	const buckets = bucketsOf(flat, BARS_MAX);
	const most = Math.max(1, ...buckets.map((one) => one.count)), width = 128 / Math.max(buckets.length, 12);
	svg.setAttribute("viewBox", "0 0 128 22");
	svg.setAttribute("preserveAspectRatio", "none");
	svg.replaceChildren(...buckets.map((one, i) => draw("rect", {
		x: (i * width).toFixed(2), width: Math.max(width - 1, 0.6).toFixed(2),
		y: (22 - (21 * one.count) / most).toFixed(2), height: ((21 * one.count) / most).toFixed(2),
	})));
}

/* --- heat --- */

function mix(from, to, share) {
	return `rgb(${from.map((part, i) => Math.round(part + (to[i] - part) * share)).join(" ")})`;
}

function parseColor(name) {
	const text = getComputedStyle(document.documentElement).getPropertyValue(name).trim();
	return [1, 3, 5].map((at) => parseInt(text.slice(at, at + 2), 16));
}

/* Time from left to right, values from bottom to top, counts as shades. */
class HeatMap {
	constructor() {
		this.canvas = make("canvas", { role: "img" });
		this.axis = make("div");
		this.times = make("div", { class: "times" }, make("span"), make("span", {}, "now"));
		this.scale = make("i", { class: "scale" });
		this.most = make("span");
		this.name = make("span");
		this.element = make("figure", { class: "heat" }, make("figcaption", {}, this.name, make("span", {}, "0", this.scale, this.most)),
			make("div", { class: "axis" }, this.axis, this.canvas), this.times);
		this.canvas.addEventListener("pointermove", (event) => this.point(event));
		this.canvas.addEventListener("pointerleave", hideTip);
	}

	/* samples: [[low, high, count, ...] or null, ...], the last is now. */
	show(title, heat, step) {
		Object.assign(this, { title, samples: heat.samples, unit: heat.unit, step });
		this.paint();
	}

	/* Open ends get a bound from the others, so that they have a place. */
	measure() {
		let low = Infinity, high = -Infinity, most = 0, under = false;
		const widths = new Set();
		for (const sample of this.samples)
			for (let i = 0; sample && i < sample.length; i += 3) {
				if (sample[i] !== null && sample[i + 1] !== null) widths.add(sample[i + 1] - sample[i]);
				if (sample[i] === null) under = true;
				else low = Math.min(low, sample[i]);
				if (sample[i + 1] !== null) high = Math.max(high, sample[i + 1]);
				else high = Math.max(high, sample[i] * 2);
				most = Math.max(most, sample[i + 2]);
			}
		if (low > high) low = under ? Math.min(high - 1, 0) : 0;
		/* Equal steps are shown as such. */
		const log = widths.size > 1 && low >= 0 && high > 32 * Math.max(low, 1);
		const at = (value) => (log ? Math.log2(Math.max(value, 0.5) + 0.5) : value);
		return { low, high, most, at };
	}

	paint() {
		if (!this.samples || !this.canvas.clientWidth) return;
		const ratio = devicePixelRatio || 1, width = this.canvas.clientWidth, height = this.canvas.clientHeight;
		const { low, high, most, at } = this.measure(), bottom = at(low), top = at(high);
		const pen = this.canvas.getContext("2d"), from = parseColor("--heat0"), to = parseColor("--heat1");
		this.canvas.width = width * ratio;
		this.canvas.height = height * ratio;
		pen.scale(ratio, ratio);
		pen.fillStyle = mix(from, to, 0);
		pen.fillRect(0, 0, width, height);
		this.y = (value) => height - (height * (at(value) - bottom)) / (top - bottom || 1);
		const column = width / this.samples.length;
		this.samples.forEach((sample, t) => {
			for (let i = 0; sample && i < sample.length; i += 3) {
				const y0 = this.y(sample[i + 1] === null ? high : sample[i + 1]), y1 = this.y(sample[i] === null ? low : sample[i]);
				pen.fillStyle = mix(from, to, 0.12 + 0.88 * Math.sqrt(sample[i + 2] / most));
				pen.fillRect(t * column, y0, Math.max(column, 1) + 0.3, Math.max(y1 - y0, 1));
			}
		});
		const labels = [high, this.middle(low, high, at), low];
		this.axis.replaceChildren(...labels.map((value) => make("span", {}, most ? human(value, this.unit) : "")));
		setText(this.name, this.title);
		setText(this.most, `${human(most)} in ${this.step} s`);
		setText(this.times.firstChild, duration(this.samples.length * this.step) + " ago");
		this.canvas.setAttribute("aria-label", `${this.title}: how often which values came, last ${duration(this.samples.length * this.step)}`);
	}

	/* The value half way up, to two digits. */
	middle(low, high, at) {
		const want = (at(low) + at(high)) / 2;
		let under = low, over = high;
		for (let i = 0; i < 60; i++) {
			const half = (under + over) / 2;
			if (at(half) < want) under = half;
			else over = half;
		}
		return Number(over.toPrecision(2));
	}

	point(event) {
		if (!this.samples || !this.y) return;
		const box = this.canvas.getBoundingClientRect(), y = event.clientY - box.top;
		const t = Math.floor(((event.clientX - box.left) / box.width) * this.samples.length), sample = this.samples[t];
		const when = ago(this.samples.length - 1 - t, this.step);
		for (let i = 0; sample && i < sample.length; i += 3)
			if (y <= this.y(sample[i] === null ? -Infinity : sample[i]) && (sample[i + 1] === null || y >= this.y(sample[i + 1])))
				return showTip(event, [[bucketLabel(sample[i], sample[i + 1], this.unit), exact(sample[i + 2]), null], [when, "", null]]);
		showTip(event, [[when, sample ? "0" : "not sampled", null]]);
	}
}
