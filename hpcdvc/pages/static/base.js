// What pages share: the link to the server, and planes of its messages.
//
//   const link = new Link({hello, message, lost});
//   link.send({type: "set", ...})     in its turn; resolves with the answer
//   link.newest({type: "planes"})     one on its way at a time: of those that wait only the last is sent

const KEY = "hpcdvc-token";
const AGAIN = [250, 500, 1000, 2000];  // ms before the link is tried again

// The token leaves the address bar at once; a page that is loaded again finds it in the storage of its tab.
function token() {
    const given = decodeURIComponent(location.hash.slice(1)).split("=").pop();
    if (given) {
        sessionStorage.setItem(KEY, given);
        history.replaceState(null, "", location.pathname + location.search);
    }
    return sessionStorage.getItem(KEY) || "";
}

// A message of the server: its JSON object, whose planes have their bytes as `data`.
export function unpack(buffer) {
    const length = new DataView(buffer).getUint32(0, true);
    const head = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length)));
    let at = 4 + length;
    for (const plane of head.planes) {
        plane.data = new Uint8Array(buffer, at, plane.bytes);
        at += plane.bytes;
    }
    return head;
}

const ARRAYS = {u1: Uint8Array, i1: Int8Array, u2: Uint16Array, i2: Int16Array, u4: Uint32Array, i4: Int32Array,
                f4: Float32Array, f8: Float64Array};

// Numbers of a plane that was sent exactly, row by row.
export async function numbersOf(plane) {
    const stream = new Blob([plane.data]).stream().pipeThrough(new DecompressionStream("deflate"));
    return new ARRAYS[plane.dtype](await new Response(stream).arrayBuffer());
}

// Grey values of a uint8 plane, row by row, whichever way it was sent.
export async function greyOf(plane) {
    if (plane.coding === "deflate") return numbersOf(plane);
    const picture = await createImageBitmap(new Blob([plane.data], {type: "image/jpeg"}));
    const canvas = new OffscreenCanvas(picture.width, picture.height);
    const context = canvas.getContext("2d", {willReadFrequently: true});
    context.drawImage(picture, 0, 0);
    const colours = context.getImageData(0, 0, picture.width, picture.height).data;
    const grey = new Uint8Array(colours.length / 4);
    for (let i = 0; i < grey.length; i++) grey[i] = colours[4 * i];
    return grey;
}

// Numbers of all planes of an answer.
export function numbersOfAll({planes}) {
    return Promise.all(planes.map(plane => (plane.dtype === "u1" ? greyOf(plane) : numbersOf(plane))));
}

// Draws one answer after the other, in the order in which they were asked for: they are decoded side by side.
export class Turns {
    constructor(failed) {
        this.failed = failed;
        this.last = Promise.resolve();
    }

    // draw(answer) is not called where a newer one took its place; failed(error) tells what went wrong.
    add(answer, draw) {
        answer.catch(() => {});
        const turn = async () => {
            const got = await answer;
            if (got) await draw(got);
        };
        this.last = this.last.then(turn).catch(this.failed);
        return this.last;
    }
}

export class Link {
    // hello(message): the link is there, also again; message(message): what the server says unasked (state, role, saved,
    // error ...); lost(text): it is gone and tried again, or not ("" when it is back)
    constructor({hello, message, lost}) {
        Object.assign(this, {hello, message, lost, number: 0, tries: 0, known: false, token: token()});
        this.waiting = new Map();
        this.busy = false;
        this.next = null;
        this.connect();
    }

    connect() {
        const address = new URL("ws", location.href);
        address.protocol = location.protocol === "https:" ? "wss:" : "ws:";
        address.hash = "";
        const socket = this.socket = new WebSocket(address);
        socket.binaryType = "arraybuffer";
        socket.onopen = () => socket.send(this.token);
        socket.onmessage = event => this.take(unpack(event.data));
        socket.onclose = event => this.close(event.code);
    }

    close(code) {
        // what was on its way is lost with the link: nobody waits for its answer any more
        this.known = false;
        for (const {refuse} of this.waiting.values()) refuse(new Error("the link was lost"));
        this.waiting.clear();
        if (code === 4001) {
            this.lost("The server does not know this page: open the address that the command prints.");
            return;
        }
        this.lost("The link to the server is lost; it is tried again. What you do here is kept.");
        setTimeout(() => this.connect(), AGAIN[Math.min(this.tries++, AGAIN.length - 1)]);
    }

    take(message) {
        if (message.type === "hello") {
            this.known = true;
            this.tries = 0;
            this.lost("");
            this.hello(message);
            return;
        }
        const asked = this.waiting.get(message.number);
        if (!asked) {
            this.message(message);
            return;
        }
        this.waiting.delete(message.number);
        if (message.type === "error") asked.refuse(new Error(message.text));
        else asked.settle(message);
    }

    send(message) {
        if (!this.known) return Promise.reject(new Error("the link was lost"));
        const number = ++this.number;
        this.socket.send(JSON.stringify({...message, number}));
        return new Promise((settle, refuse) => this.waiting.set(number, {settle, refuse}));
    }

    // Resolves with the answer; with null where a newer message took its place.
    newest(message) {
        if (this.next) this.next.settle(null);
        this.next = null;
        if (!this.busy) return this.go(message);
        return new Promise((settle, refuse) => { this.next = {message, settle, refuse}; });
    }

    go(message) {
        this.busy = true;
        const sent = this.send(message);
        const after = () => {
            const next = this.next;
            this.busy = false;
            this.next = null;
            if (next) this.go(next.message).then(next.settle, next.refuse);
        };
        sent.then(after, after);
        return sent;
    }
}

/** Write a command line into an element: lines end between its words, not at the hyphens of options. What is marked stays. */
export function writeCommand(element, text) {
  if (element.textContent === text) return;
  const word = (one) => Object.assign(document.createElement("span"), { className: "word", textContent: one });
  element.replaceChildren(...text.split(" ").flatMap((one, k) => (k ? [" ", word(one)] : [word(one)])));
}
