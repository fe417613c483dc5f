"use strict";

// The figures that can be moved. Each stands in the page with its first numbers; this works them out anew.

(() => {
  const MINUS = "\u2212";

  // numbers as scripts/site_figures.py writes them

  function number(value, places, signed) {
    const text = Math.abs(value).toFixed(places);
    if (Number(text) === 0) return text;
    return (value < 0 ? MINUS : signed ? "+" : "") + text;
  }

  function plain(value) {
    const text = String(Number(Math.abs(value).toFixed(2)));
    return value < 0 && text !== "0" ? MINUS + text : text;
  }

  function tiny(value) {
    if (Math.abs(value) < 1e-12) return "0";
    if (Math.abs(value) >= 1e-3) return number(value, 3);
    return (value < 0 ? MINUS : "") + Math.abs(value).toExponential(0).replace("-", MINUS);
  }

  function nearly(value) {
    const text = tiny(value);
    return text === "0" ? text : `${text}: zero but for \`eps\``;
  }

  // lists of numbers

  const sum = (values) => values.reduce((total, value) => total + value, 0);
  const mean = (values) => sum(values) / values.length;
  const product = (some, others) => some.map((value, i) => value * others[i]);
  const largest = (values) => Math.max(...values.map(Math.abs));

  // what the figures have in common

  const all = (root, selector) => [...root.querySelectorAll(selector)];
  const given = (figure, name) => figure.dataset[name].split(" ").map(Number);

  function begin(figure) {
    figure.dataset.live = "";
    for (const each of all(figure, "[hidden]")) each.hidden = false;
  }

  /** Words with code in backticks, as nodes: nothing of it is read as HTML. */
  function say(element, text) {
    element.replaceChildren(
      ...text.split("`").map((part, i) => {
        if (i % 2 === 0) return document.createTextNode(part);
        const code = document.createElement("code");
        code.textContent = part;
        return code;
      }),
    );
  }

  function showNumbers(figure, band, values, places, signed) {
    all(figure, `[data-band="${band}"] .num`).forEach((each, i) => {
      each.textContent = number(values[i], places, signed);
    });
  }

  function showBars(figure, band, values, places, scale) {
    showNumbers(figure, band, values, places, scale !== undefined);
    all(figure, `[data-band="${band}"] .plot i`).forEach((bar, i) => {
      bar.classList.toggle("neg", values[i] < 0);
      bar.style.setProperty("--v", Math.min(1, Math.abs(values[i]) / (scale || 1)).toFixed(4));
    });
  }

  /** Sliders are filled from zero in the middle. */
  function showSliders(figure, values) {
    all(figure, "input[type=range]").forEach((slider, i) => {
      slider.style.setProperty("--v", (values[i] / slider.max).toFixed(4));
    });
  }

  // broadcasting

  const LIMIT = 99; // of an entry, as in the page

  function startBroadcasting(figure) {
    const matrix = (name) => figure.querySelector(`[data-matrix="${name}"]`);
    const entries = (name) => all(matrix(name), "tr").map((row) => all(row, "td"));
    const inputs = all(matrix("dy"), "tr").map((row) => all(row, "input"));
    const a = entries("a").map((row) => row.map((cell) => Number(cell.textContent)));
    const dy = inputs.map((row) => row.map((input) => Number(input.value)));
    let isRow = true;
    let chosen = 0; // which entry of db is looked at
    let note = ""; // said until another entry is typed

    function caption(name, text) {
      say(matrix(name).querySelector("caption"), text);
    }

    function update() {
      const b = given(figure, isRow ? "row" : "column");
      const at = (i, j) => b[isRow ? j : i];
      entries("b").forEach((row, i) => row.forEach((cell, j) => {
        cell.textContent = plain(at(i, j));
        cell.className = (isRow ? i : j) > 0 ? "copy" : "";
      }));
      entries("y").forEach((row, i) => row.forEach((cell, j) => {
        cell.textContent = plain(a[i][j] + at(i, j));
      }));
      entries("dy").forEach((row, i) => row.forEach((cell, j) => {
        cell.className = (isRow ? j : i) === chosen ? "on" : "";
      }));
      const sums = b.map((_, k) => sum(addedUp(k)));
      showSums(sums);
      const terms = addedUp(chosen).map((value, k) => (k > 0 && value < 0 ? `(${plain(value)})` : plain(value)));
      const place = isRow ? `0, ${chosen}` : `${chosen}, 0`;
      say(
        figure.querySelector(".said"),
        `${note}\`db[${place}]\` adds up ${isRow ? "column" : "row"} ${chosen} of \`dy\`: ${terms.join(" + ")} = ${plain(sums[chosen])}.`,
      );
    }

    function addedUp(k) {
      return isRow ? dy.map((row) => row[k]) : dy[k];
    }

    function showSums(sums) {
      const cells = sums.map((value, k) => {
        const cell = document.createElement("td");
        cell.textContent = plain(value);
        cell.className = k === chosen ? "on" : "";
        cell.dataset.sum = k;
        return cell;
      });
      const rows = (isRow ? [cells] : cells.map((cell) => [cell])).map((row) => {
        const line = document.createElement("tr");
        line.append(...row);
        return line;
      });
      matrix("db").tBodies[0].replaceChildren(...rows);
    }

    function choose(k) {
      if (k === chosen) return;
      chosen = k;
      update();
    }

    inputs.forEach((row, i) => row.forEach((input, j) => {
      input.addEventListener("input", () => {
        if (input.value === "") return;
        const typed = Number(input.value);
        dy[i][j] = Math.min(LIMIT, Math.max(-LIMIT, typed));
        note = dy[i][j] === typed ? "" : `The limit is ±${LIMIT}, so this counts as ${plain(dy[i][j])}. `;
        chosen = isRow ? j : i;
        update();
      });
      input.addEventListener("change", () => {
        input.value = dy[i][j];
      });
      for (const event of ["focus", "pointerenter"]) input.addEventListener(event, () => choose(isRow ? j : i));
    }));
    matrix("db").addEventListener("pointerover", (event) => {
      const cell = event.target.closest("td");
      if (cell && Number(cell.dataset.sum) !== chosen) choose(Number(cell.dataset.sum));
    });
    for (const radio of all(figure, "input[type=radio]")) {
      radio.addEventListener("change", () => {
        isRow = radio.value === "row";
        chosen = Math.min(chosen, isRow ? 2 : 1);
        figure.classList.toggle("by-column", !isRow);
        caption("b", `\`b\`, ${isRow ? "1 × 3" : "2 × 1"}`);
        caption("db", `\`db\`, ${isRow ? "1 × 3" : "2 × 1"}`);
        update();
      });
    }
    begin(figure);
    update();
  }

  // the gradient map

  const ARROWS = { ArrowDown: [0, 1], ArrowUp: [0, -1], ArrowRight: [1, 0], ArrowLeft: [-1, 0] };

  function startMap(figure) {
    const picture = figure.querySelector("svg");
    const panel = figure.querySelector(".panel");
    const nodes = all(picture, "[data-node]");

    function choose(node) {
      const from = node.dataset.from.split(" ");
      for (const each of all(picture, "g")) {
        each.classList.toggle("on", each === node);
        each.classList.toggle("from", from.includes(each.querySelector("text").textContent));
      }
      for (const each of nodes) each.setAttribute("aria-pressed", String(each === node));
      const row = figure.querySelector(`tr[data-name="${node.dataset.node}"]`);
      panel.querySelector('[data-field="name"]').textContent = node.dataset.node;
      for (const cell of all(row, "td")) {
        const copy = cell.cloneNode(true);
        panel.querySelector(`dd[data-field="${cell.dataset.field}"]`).replaceChildren(...copy.childNodes);
      }
      reach(node);
    }

    function pick(node) {
      choose(node);
      uncover(node);
    }

    /** The panel sticks to the bottom of a small window: it must not lie on what was chosen. */
    function uncover(node) {
      const [there, over] = [node.getBoundingClientRect(), panel.getBoundingClientRect()];
      const covered = there.bottom - over.top;
      if (over.left < there.right && covered > 0) window.scrollBy({ top: covered + 8, behavior: "instant" });
    }

    /** One of the nodes is reached by Tab, the others from there by arrow keys. */
    function reach(node) {
      for (const each of nodes) each.setAttribute("tabindex", each === node ? "0" : "-1");
    }

    /** Where a box stands: its left end, which all of a lane share, and its middle. */
    function at(node) {
      const box = node.querySelector("rect");
      return [box.x.baseVal.value, box.y.baseVal.value + box.height.baseVal.value / 2];
    }

    /** The nearest node in a direction, itself where there is none. What lies aside counts twice, so that lanes and rows go first. */
    function nearest(node, right, down) {
      const [x, y] = at(node);
      let found = node;
      let least = Infinity;
      for (const other of nodes) {
        const [otherX, otherY] = at(other);
        const ahead = (otherX - x) * right + (otherY - y) * down;
        const aside = (otherX - x) * down + (otherY - y) * right;
        const far = ahead > 1 ? ahead + 2 * Math.abs(aside) : Infinity;
        if (far < least) [found, least] = [other, far];
      }
      return found;
    }

    function move(node) {
      reach(node);
      node.focus();
      uncover(node);
    }

    function press(event, node) {
      if (event.altKey || event.ctrlKey || event.metaKey) return;
      if (event.key in ARROWS) move(nearest(node, ...ARROWS[event.key]));
      else if (event.key === "Home") move(nodes[0]);
      else if (event.key === "End") move(nodes[nodes.length - 1]);
      else if (event.key === "Enter" || event.key === " ") pick(node);
      else return;
      event.preventDefault();
    }

    picture.setAttribute("role", "group");
    picture.parentElement.removeAttribute("tabindex");
    for (const node of nodes) {
      node.setAttribute("role", "button");
      node.setAttribute("aria-label", `${node.dataset.node}, from ${node.dataset.from.replace(" ", " and ")}`);
      node.addEventListener("click", () => pick(node));
      node.addEventListener("keydown", (event) => press(event, node));
    }
    begin(figure);
    choose(nodes[0]);
  }

  // softmax with cross-entropy

  function softmax(logits) {
    const top = Math.max(...logits);
    const counts = logits.map((logit) => Math.exp(logit - top));
    const total = sum(counts);
    return counts.map((count) => count / total);
  }

  function startSoftmax(figure) {
    const sliders = all(figure, "input[type=range]");
    const radios = all(figure, "input[type=radio]");
    const names = all(figure, "thead th").map((each) => each.textContent);

    function update() {
      const logits = sliders.map((slider) => Number(slider.value));
      const label = radios.findIndex((radio) => radio.checked);
      const p = softmax(logits);
      const onehot = radios.map((radio) => Number(radio.checked));
      const gradient = p.map((value, i) => value - onehot[i]);
      showSliders(figure, logits);
      showNumbers(figure, "logits", logits, 1, true);
      showBars(figure, "p", p, 3);
      showNumbers(figure, "onehot", onehot, 0, false);
      showBars(figure, "gradient", gradient, 3, 1);
      say(
        figure.querySelector(".said"),
        `At the label ${names[label]} the gradient is, rounded, ${number(p[label], 3)} ${MINUS} 1 = ${number(gradient[label], 3)}. ` +
          `Before rounding, all five add up to ${tiny(sum(gradient))}.`,
      );
    }

    for (const each of [...sliders, ...radios]) each.addEventListener("input", update);
    begin(figure);
    update();
  }

  // BatchNorm

  function normalised(x) {
    const centre = mean(x);
    const diff = x.map((value) => value - centre);
    const variance = sum(product(diff, diff)) / (x.length - 1);
    const invStd = (variance + 1e-5) ** -0.5;
    return { xhat: diff.map((value) => value * invStd), invStd };
  }

  function startBatchnorm(figure) {
    const sliders = all(figure, "input[type=range]");
    const x = given(figure, "x");
    const [gain] = given(figure, "gain");
    const scales = given(figure, "scales"); // the last is longer than any bar
    const { xhat, invStd } = normalised(x);
    const presets = {
      mixed: given(figure, "dy"),
      equal: x.map(() => 0.5),
      along: xhat.map((value) => (0.8 * value) / largest(xhat)),
    };
    let dy = [...presets.mixed]; // more exact than a slider, which has steps

    function update() {
      const factor = gain * invStd;
      const along = sum(product(dy, xhat)) / (x.length - 1);
      const terms = [
        dy.map((value) => factor * value),
        dy.map(() => -factor * mean(dy)),
        xhat.map((value) => -factor * value * along),
      ];
      const result = x.map((_, i) => sum(terms.map((term) => term[i])));
      const longest = largest([...terms.flat(), ...result]);
      const scale = scales.find((each) => longest <= each) ?? scales[scales.length - 1];
      figure.querySelector(".scale").textContent = String(scale);
      showSliders(figure, dy);
      showNumbers(figure, "dy", dy, 2, true);
      terms.forEach((term, i) => showBars(figure, `term${i + 1}`, term, 2, scale));
      showBars(figure, "result", result, 2, scale);
      say(
        figure.querySelector(".said"),
        `Before rounding, \`dhprebn\` adds up to ${tiny(sum(result))}, and the sum of \`dhprebn * xhat\` is ` +
          `${nearly(sum(product(result, xhat)))}.`,
      );
    }

    sliders.forEach((slider, i) => slider.addEventListener("input", () => {
      dy[i] = Number(slider.value);
      update();
    }));
    for (const button of all(figure, "[data-preset]")) {
      button.addEventListener("click", () => {
        dy = [...presets[button.dataset.preset]];
        sliders.forEach((slider, i) => {
          slider.value = dy[i];
        });
        update();
      });
    }
    begin(figure);
    update();
  }

  const STARTS = {
    broadcasting: startBroadcasting,
    "gradient-map": startMap,
    "softmax-row": startSoftmax,
    "batchnorm-terms": startBatchnorm,
  };

  function startAll() {
    for (const figure of all(document, "figure[data-figure]")) STARTS[figure.dataset.figure](figure);
  }

  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", startAll);
  else startAll();
})();
