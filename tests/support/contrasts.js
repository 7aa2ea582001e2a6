// Gives the texts on the page whose contrast with their ground is below 4.5, as WCAG 2 measures it.
(() => {
  const canvas = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
  const pixel = (colour) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const linear = (value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4);
  const luminance = ([r, g, b]) => 0.2126 * linear(r / 255) + 0.7152 * linear(g / 255) + 0.0722 * linear(b / 255);
  const over = (top, alpha, below) => top.slice(0, 3).map((value, at) => value * alpha + below[at] * (1 - alpha));
  const ancestors = function* (element) {
    for (let at = element; at; at = at.parentElement) yield getComputedStyle(at);
  };
  const ground = (element) => [...ancestors(element)].map((one) => pixel(one.backgroundColor)).find((one) => one[3] === 255);
  const contrast = (element) => {
    const below = ground(element) || [255, 255, 255];
    const alpha = [...ancestors(element)].reduce((product, one) => product * Number(one.opacity), 1);
    const seen = luminance(over(pixel(getComputedStyle(element).color), alpha, below));
    const [dark, light] = [seen, luminance(below)].sort((a, b) => a - b);
    return (light + 0.05) / (dark + 0.05);
  };
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const poor = new Set();
  while (walk.nextNode()) {
    const element = walk.currentNode.parentElement;
    const shown = walk.currentNode.textContent.trim() && element.checkVisibility() && !element.closest("script, style");
    if (shown && contrast(element) < 4.5) poor.add(`${element.tagName}.${element.className} ${contrast(element).toFixed(2)}`);
  }
  return [...poor];
})()
