import {Link, Turns, greyOf} from "./base.js";

const at = id => document.getElementById(id);
let x = 0;

function show(state) {
    x = state.x;
    at("x").textContent = x;
}

async function draw(answer) {
    const plane = answer.planes[0], grey = await greyOf(plane);
    const [rows, columns] = plane.shape, image = new ImageData(columns, rows);
    for (let i = 0; i < grey.length; i++) image.data.set([grey[i], grey[i], grey[i], 255], 4 * i);
    at("view").getContext("2d").putImageData(image, 0, 0);
    at("pixels").textContent = `${plane.coding} ${grey.reduce((a, b) => a + b, 0)}`;
}

const link = new Link({
    hello(message) {
        const edited = at("x").dataset.edited;
        if (message.writer && edited !== undefined) set(Number(edited));
        else show(message.state);
        at("role").textContent = message.writer ? "writes" : "reads";
    },
    message(message) {
        if (message.type === "state") show(message.state);
        if (message.type === "role") at("role").textContent = message.writer ? "writes" : "reads";
        if (message.type === "saved") at("saved").textContent = "saved";
    },
    lost(text) { at("lost").textContent = text; },
});

const turns = new Turns(error => { at("error").textContent = error.message; });

function ask(exact) {
    turns.add(link.newest({type: "set", x, exact}), draw);
}

function set(value) {
    x = value;
    at("x").textContent = x;
    at("x").dataset.edited = x;
    ask(false);
}

addEventListener("keydown", event => {
    if (event.key === "ArrowRight") set(x + 1);
    if (event.key === "e") ask(true);
});
at("take").addEventListener("click", async () => {
    const answer = await link.send({type: "take over"});
    at("role").textContent = answer.writer ? "writes" : "reads";
});
at("view").addEventListener("pointermove", event => {
    if (event.buttons) set(Math.round(event.offsetX));
});
