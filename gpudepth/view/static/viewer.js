"use strict";
// Relief and points: the map unprojected by a pinhole camera, seen first from where the photo was taken.
// Refocus: every pixel gathers from its surroundings as a lens with that aperture would mix them.
const viewer = { item: null, mode: "relief", three: null, asked: 0 };
const TEAR = 0.05;          // of the span of disparity between neighbours: the relief is torn there
const FARTHEST = 0.04;      // of the nearest disparity: what lies beyond is drawn there

const HELP = {
  relief: "drag: turn · wheel: nearer · right button: move", points: "drag: turn · wheel: nearer · right button: move",
  refocus: "click into the picture, or move the slider: that distance becomes sharp",
};

const BLUR = `
precision highp float;
uniform sampler2D photo, map;
uniform vec2 texel;
uniform float focus, aperture;
varying vec2 uv_;
float near(vec2 at) { return texture2D(map, at).r; }
void main() {
  float mine = abs(near(uv_) - focus) * aperture, whole = 1.0;
  vec3 sum = texture2D(photo, uv_).rgb;
  float depth = near(uv_);
  for (int i = 1; i < 160; i++) {
    float r = sqrt(float(i) / 160.0) * aperture, angle = float(i) * 2.39996323;
    vec2 at = uv_ + vec2(cos(angle), sin(angle)) * r * texel;
    float there = near(at), reach = abs(there - focus) * aperture;
    // what lies behind does not spread over what lies in front
    float spread = there < depth - 0.02 ? min(reach, mine) : reach;
    float weight = smoothstep(r - 1.0, r + 1.0, spread) / max(1.0, spread);
    sum += texture2D(photo, at).rgb * weight;
    whole += weight;
  }
  gl_FragColor = vec4(sum / whole, 1.0);
}`;

function three() {
  if (!viewer.three) {
    const script = document.createElement("script");
    script.textContent = document.getElementById("three").textContent;
    document.head.append(script);
    const canvas = document.getElementById("canvas");
    const renderer = new THREE.WebGLRenderer({ canvas, antialias: true, preserveDrawingBuffer: true });
    renderer.outputEncoding = THREE.LinearEncoding;      // colours go through as they are
    viewer.three = { renderer };
  }
  return viewer.three;
}

function pixelsOf(image) {
  const canvas = document.createElement("canvas");
  canvas.width = image.width; canvas.height = image.height;
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(image, 0, 0);
  return context.getImageData(0, 0, image.width, image.height);
}

// Metres of a code: 1 … 255 are linear in disparity.
function metresOf(item, code) {
  const disparity = item.lo + (item.hi - item.lo) * (code - 1) / 254;
  return 1 / Math.max(disparity, item.hi * FARTHEST, 1e-9);
}

// Vertices in metres: x to the right, y up, the camera looks along -z.
function unproject(item, codes, width, height) {
  const focal = item.focal * Math.max(width, height), at = new Float32Array(width * height * 3);
  for (let y = 0, n = 0; y < height; y++) {
    for (let x = 0; x < width; x++, n++) {
      const z = metresOf(item, codes[n] || 1);
      at[3 * n] = (x + 0.5 - width / 2) * z / focal;
      at[3 * n + 1] = (height / 2 - y - 0.5) * z / focal;
      at[3 * n + 2] = -z;
    }
  }
  return at;
}

function triangles(codes, width, height) {
  const out = [], limit = 254 * TEAR;
  for (let y = 0; y + 1 < height; y++) {
    for (let x = 0; x + 1 < width; x++) {
      const a = y * width + x, corners = [a, a + 1, a + width, a + width + 1], four = corners.map(i => codes[i]);
      if (four.includes(0) || Math.max(...four) - Math.min(...four) > limit) continue;
      out.push(corners[0], corners[2], corners[1], corners[1], corners[2], corners[3]);
    }
  }
  return out;
}

function texture(image, filter) {
  const made = new THREE.Texture(image);
  made.minFilter = made.magFilter = filter || THREE.LinearFilter;
  made.needsUpdate = true;
  return made;
}

function shape(item, picture, map, mode) {
  const { width, height } = map, raw = pixelsOf(map).data, codes = new Uint8Array(width * height);
  for (let i = 0; i < codes.length; i++) codes[i] = raw[4 * i];
  const geometry = new THREE.BufferGeometry(), positions = unproject(item, codes, width, height);
  geometry.setAttribute("position", new THREE.BufferAttribute(positions, 3));
  if (mode === "points") {
    const canvas = document.createElement("canvas");
    canvas.width = width; canvas.height = height;
    canvas.getContext("2d").drawImage(picture, 0, 0, width, height);
    const rgb = canvas.getContext("2d").getImageData(0, 0, width, height).data, colours = new Float32Array(codes.length * 3);
    const kept = [];
    for (let i = 0; i < codes.length; i++) {
      for (let c = 0; c < 3; c++) colours[3 * i + c] = rgb[4 * i + c] / 255;
      if (codes[i]) kept.push(i);
    }
    geometry.setAttribute("color", new THREE.BufferAttribute(colours, 3));
    geometry.setIndex(kept);
    return new THREE.Points(geometry, new THREE.PointsMaterial({ size: 3, sizeAttenuation: false, vertexColors: true }));
  }
  const uv = new Float32Array(codes.length * 2);
  for (let i = 0; i < codes.length; i++) {
    uv[2 * i] = (i % width + 0.5) / width;
    uv[2 * i + 1] = 1 - (Math.floor(i / width) + 0.5) / height;
  }
  geometry.setAttribute("uv", new THREE.BufferAttribute(uv, 2));
  geometry.setIndex(triangles(codes, width, height));
  return new THREE.Mesh(geometry, new THREE.MeshBasicMaterial({ map: texture(picture), side: THREE.DoubleSide }));
}

function space(item, picture, map, mode, width, height) {
  const scene = new THREE.Scene(), { renderer } = three();
  scene.background = new THREE.Color(0x0b0b0e);
  scene.add(shape(item, picture, map, mode));
  const tall = Math.max(map.width, map.height) * item.focal;
  const camera = new THREE.PerspectiveCamera(2 * Math.atan(map.height / 2 / tall) * 180 / Math.PI, width / height, 1e-3, 1e6);
  const middle = metresOf(item, 128);
  const controls = new THREE.TrackballControls(camera, renderer.domElement);
  controls.staticMoving = true;
  controls.rotateSpeed = 1.5;
  const home = () => { camera.position.set(0, 0, 0); camera.up.set(0, 1, 0); controls.target.set(0, 0, -middle); controls.update(); };
  home();
  return { scene, camera, controls, home, middle };
}

function lens(item, picture, map) {
  const scene = new THREE.Scene(), camera = new THREE.OrthographicCamera(-1, 1, 1, -1, 0, 1);
  const uniforms = {
    photo: { value: texture(picture) }, map: { value: texture(map) }, focus: { value: 1 }, aperture: { value: 0 },
    texel: { value: new THREE.Vector2(1 / picture.width, 1 / picture.height) },
  };
  const material = new THREE.ShaderMaterial({
    uniforms, fragmentShader: BLUR, depthTest: false,
    vertexShader: "varying vec2 uv_; void main() { uv_ = uv; gl_Position = vec4(position.xy, 0.0, 1.0); }",
  });
  scene.add(new THREE.Mesh(new THREE.PlaneGeometry(2, 2), material));
  return { scene, camera, uniforms };
}

function draw() {
  const view = viewer.view;
  if (!view) return;
  if (viewer.mode === "refocus") {
    const code = +document.getElementById("focus").value;
    view.uniforms.focus.value = code / 255;
    view.uniforms.aperture.value = +document.getElementById("aperture").value / 100 * view.uniforms.photo.value.image.width / 8;
    document.getElementById("at").textContent = `${+metresOf(viewer.item, code).toPrecision(3)} m`;
  }
  viewer.three.renderer.render(view.scene, view.camera);
}

function turn() {
  if (viewer.mode === "refocus" || !viewer.view) return;
  viewer.view.controls.update();
  draw();
  viewer.frame = requestAnimationFrame(turn);
}

// What the graphics card holds of a view goes with it.
function forget(view) {
  if (!view) return;
  if (view.controls) view.controls.dispose();
  for (const { geometry, material } of view.scene.children) {
    for (const held of [geometry, material, material.map, ...Object.values(material.uniforms || {}).map(u => u.value)]) {
      if (held && held.dispose) held.dispose();
    }
  }
}

async function show(mode) {
  cancelAnimationFrame(viewer.frame);
  viewer.mode = mode;
  const item = viewer.item, { renderer } = three(), asked = ++viewer.asked;
  const map = await load("png", item.map), picture = item.picture ? await load("jpeg", item.picture) : map;
  if (asked !== viewer.asked) return;       // something else was asked for while these were decoded, or nothing any more
  const scale = Math.min((innerWidth - 80) / picture.width, (innerHeight - 190) / picture.height);
  const width = Math.round(picture.width * scale), height = Math.round(picture.height * scale);
  renderer.setPixelRatio(devicePixelRatio);
  renderer.setSize(width, height);
  forget(viewer.view);
  viewer.view = mode === "refocus" ? lens(item, picture, map) : space(item, picture, map, mode, width, height);
  viewer.map = pixelsOf(map);
  for (const button of document.querySelectorAll("#bar button[data-mode]")) button.classList.toggle("on", button.dataset.mode === mode);
  for (const id of ["focusing", "blurring"]) document.getElementById(id).hidden = mode !== "refocus";
  document.getElementById("focusing").style.display = document.getElementById("blurring").style.display = mode === "refocus" ? "" : "none";
  document.getElementById("reset").style.display = mode === "refocus" ? "none" : "";
  document.getElementById("help").textContent = HELP[mode];
  draw();
  turn();
}

async function openViewer(item) {
  viewer.item = item;
  document.getElementById("name").textContent = item.key;
  document.getElementById("viewer").showModal();
  await show(viewer.mode);
}

document.querySelectorAll("#bar button[data-mode]").forEach(button => button.onclick = () => show(button.dataset.mode));
document.getElementById("reset").onclick = () => { viewer.view.home(); draw(); };
document.getElementById("close").onclick = () => document.getElementById("viewer").close();
document.getElementById("viewer").onclose = () => { viewer.asked++; cancelAnimationFrame(viewer.frame); };
document.getElementById("focus").oninput = document.getElementById("aperture").oninput = draw;
document.getElementById("canvas").addEventListener("click", event => {
  if (viewer.mode !== "refocus") return;
  const box = event.target.getBoundingClientRect(), { width, height, data } = viewer.map;
  const x = Math.floor((event.clientX - box.left) / box.width * width), y = Math.floor((event.clientY - box.top) / box.height * height);
  const code = data[4 * (Math.min(height - 1, Math.max(0, y)) * width + Math.min(width - 1, Math.max(0, x)))];
  if (code) { document.getElementById("focus").value = code; draw(); }
});
