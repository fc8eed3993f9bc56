"use strict";
// The table: built a screenful at a time, so that a page of thousands opens at once.
const data = JSON.parse(document.getElementById("data").textContent);
const $ = id => document.getElementById(id);
const CHUNK = 60;
let shown = data.items, sorted = { by: null, down: false }, next = 0;

function element(name, text, className) {
  const e = document.createElement(name);
  if (text !== undefined) e.textContent = text;
  if (className) e.className = className;
  return e;
}

function metres(value) { return value == null ? "∞" : value >= 100 ? value.toFixed(0) : String(+value.toPrecision(3)); }

function size(bytes) {
  for (const unit of ["B", "kB", "MB", "GB"]) {
    if (bytes < 1000) return `${+bytes.toPrecision(3)} ${unit}`;
    bytes /= 1000;
  }
  return `${+bytes.toPrecision(3)} TB`;
}

function tell() {
  const f = data.facts, mean = f.done ? f.seconds / f.done : 0;
  $("summary").textContent = `${f.done} done, ${f.failed} failed; ${size(f.bytes)} written; `
    + `${mean.toFixed(3)} s an item on one worker, ${(f.pixels / 1e6).toFixed(1)} megapixels of depth`
    + (f.agreement == null ? "" : `; edges agree ${f.agreement.toFixed(2)} in the median`);
  const total = Object.values(f.stages).reduce((a, b) => a + b, 0), colours = ["#8ab4f8", "#f5b942", "#7bd88f", "#e691d8", "#c3c3cc"];
  Object.entries(f.stages).forEach(([name, seconds], i) => {
    const part = element("span", `${name} ${(100 * seconds / total).toFixed(0)} %`);
    part.style.cssText = `flex: ${seconds}; background: ${colours[i % colours.length]}`;
    part.title = `${name}: ${seconds.toFixed(2)} s`;
    $("stages").append(part);
  });
  $("errors").textContent = Object.entries(f.errors).map(([name, n]) => `${n} × ${name}`).join(", ");
}

// Depth in colours, from the gray map; what has no value is hatched.
function colour(image, canvas) {
  const { width, height } = image;
  canvas.width = width; canvas.height = height;
  const context = canvas.getContext("2d");
  context.drawImage(image, 0, 0);
  const pixels = context.getImageData(0, 0, width, height), p = pixels.data;
  for (let i = 0, n = 0; i < p.length; i += 4, n++) {
    const code = p[i], x = n % width, y = (n / width) | 0;
    const rgb = code ? data.colours[code] : Array(3).fill(((x + y) >> 2) % 2 ? 120 : 180);
    p[i] = rgb[0]; p[i + 1] = rgb[1]; p[i + 2] = rgb[2];
  }
  context.putImageData(pixels, 0, 0);
}

function load(kind, base64) {
  const image = new Image();
  return new Promise((done, failed) => {
    image.onload = () => done(image);
    image.onerror = failed;
    image.src = `data:image/${kind};base64,${base64}`;
  });
}

function pictures(item) {
  const cell = element("td"), box = element("div", undefined, "pictures");
  cell.append(box);
  if (!item.map) return cell;
  if (item.picture) {
    const image = element("img");
    image.src = `data:image/jpeg;base64,${item.picture}`;
    image.alt = "picture";
    box.append(image);
  }
  const canvas = element("canvas");
  load("png", item.map).then(image => colour(image, canvas));
  box.append(canvas);
  box.title = "look at it in 3D";
  box.onclick = () => openViewer(item);
  return cell;
}

function row(item) {
  const tr = element("tr"), score = item.score;
  const number = (text, className = "") => element("td", text, `number ${className}`);
  const name = element("td", item.key, "name");
  if (item.output && item.ok) name.append(element("br"), element("small", item.output));
  const text = element("td", undefined, "text");
  if (item.message) text.append(element("div", item.message, item.ok ? "warn" : "bad"));
  if (item.summary && item.ok) text.append(element("div", item.summary));
  for (const warning of item.warnings) text.append(element("div", warning, "warn"));
  const seconds = number(item.seconds ? item.seconds.toFixed(3) : "");
  for (const [stage, spent] of Object.entries(item.stages || {})) seconds.append(element("small", `${stage} ${spent.toFixed(3)}`));
  tr.append(pictures(item), name,
    number(score == null ? "" : score.toFixed(2), score != null && score < 0.65 ? "bad" : ""),
    number(item.ok ? metres(item.near) : ""), number(item.ok ? metres(item.far) : ""),
    number(item.holes ? `${(100 * item.holes).toFixed(1)} %` : ""), seconds,
    number(item.bytes ? size(item.bytes) : ""), text);
  return tr;
}

function grow() {
  const rows = $("rows"), end = Math.min(next + CHUNK, shown.length);
  for (; next < end; next++) rows.append(row(shown[next]));
}

function fill() {
  $("rows").replaceChildren();
  next = 0;
  grow();
  $("count").textContent = `${shown.length} of ${data.items.length}`;
}

function choose() {
  const words = $("search").value.toLowerCase().split(/\s+/).filter(Boolean), bad = $("bad").checked;
  shown = data.items.filter(item => {
    if (bad && item.ok && !item.message && !item.warnings.length) return false;
    const text = [item.key, item.output, item.message, item.summary, ...item.warnings].join("\n").toLowerCase();
    return words.every(word => text.includes(word));
  });
  if (sorted.by) {
    const sign = sorted.down ? -1 : 1, by = sorted.by;
    shown.sort((a, b) => {
      const x = a[by], y = b[by];
      if (x == null || y == null) return (x == null) - (y == null);      // nothing to compare goes last
      return sign * (x < y ? -1 : x > y ? 1 : 0);
    });
  }
  fill();
}

document.querySelectorAll("th[data-by]").forEach(th => th.onclick = () => {
  sorted = { by: th.dataset.by, down: sorted.by === th.dataset.by && !sorted.down };
  document.querySelectorAll("th").forEach(other => other.classList.remove("up", "down"));
  th.classList.add(sorted.down ? "down" : "up");
  choose();
});
$("search").oninput = choose;
$("bad").onchange = choose;
new IntersectionObserver(seen => { if (seen[0].isIntersecting) grow(); }, { rootMargin: "800px" }).observe($("more"));
tell();
fill();
