// Files, pasted images and addresses become pictures that can be shown, counted and sent.
//
// A picture is { id, name, url, shown, file?, mediaType?, note? }: `url` is what is sent, `shown` what an <img> loads.

const PNG = [0x89, 0x50, 0x4e, 0x47];
const JPEG = [0xff, 0xd8, 0xff];
const names = new Map(); // name -> the data URI of the picture that has it
let made = 0;

// Return the picture of a file; what is neither JPEG nor PNG is turned into a PNG where the browser can read it.
export async function pictureOfFile(file) {
  const head = new Uint8Array(await file.slice(0, 4).arrayBuffer());
  const mediaType = sniff(head);
  if (mediaType) return pictureOf(new Blob([file], { type: mediaType }), file.name, mediaType);
  const png = await toPng(file);
  const note = `Turned into a PNG: the API takes JPEG and PNG, this was ${file.type || "something else"}.`;
  return { ...(await pictureOf(png, file.name.replace(/\.\w+$/, ""), "image/png")), note };
}

// Return the picture at an address, which the server fetches, or of a data URI.
export async function pictureOfUrl(text) {
  if (text.startsWith("data:")) return pictureOfFile(fromDataUri(text));
  const { protocol, pathname } = new URL(text);
  if (protocol !== "http:" && protocol !== "https:") throw new TypeError("The address must begin with http:// or https://.");
  const name = readable(pathname.split("/").pop()) || text;
  return { id: ++made, name, url: text, shown: text };
}

function readable(name) {
  try {
    return decodeURIComponent(name);
  } catch {
    return name; // a stray percent sign
  }
}

async function pictureOf(blob, name, mediaType) {
  const url = await readDataUri(blob);
  return { id: ++made, name: uniqueName(name, mediaType, url), url, shown: URL.createObjectURL(blob), file: blob, mediaType };
}

const sniff = (head) => {
  const begins = (mark) => mark.every((byte, at) => head[at] === byte);
  return begins(PNG) ? "image/png" : begins(JPEG) ? "image/jpeg" : null;
};

async function toPng(file) {
  const bitmap = await createImageBitmap(file).catch(() => null);
  if (!bitmap) throw new TypeError(`${file.name} is no picture that can be read here. Use a JPEG or PNG.`);
  const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
  canvas.getContext("2d").drawImage(bitmap, 0, 0);
  return canvas.convertToBlob({ type: "image/png" });
}

const readDataUri = (blob) =>
  new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result);
    reader.onerror = () => reject(reader.error);
    reader.readAsDataURL(blob);
  });

function fromDataUri(text) {
  const [head, base64] = text.split(",");
  const bytes = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
  return new File([bytes], "picture", { type: head.slice("data:".length).split(";")[0] });
}

// Return a file name that no picture with other bytes has, since the code panel reads files by their names.
function uniqueName(name, mediaType, url) {
  const ending = mediaType === "image/png" ? ".png" : ".jpg";
  const given = name && name !== "image.png" ? name : "pasted"; // what browsers call an image from the clipboard
  const [stem, suffix] = /\.(png|jpe?g)$/i.test(given) ? cut(given) : [given, ending];
  let unique = stem + suffix;
  for (let number = 2; (names.get(unique) ?? url) !== url; number++) unique = `${stem}-${number}${suffix}`;
  names.set(unique, url);
  return unique;
}

const cut = (name) => [name.slice(0, name.lastIndexOf(".")), name.slice(name.lastIndexOf("."))];
