// Actions of a page: they are done by the server in turn, one message on its way at a time. They wait here while the link
// is lost, and each has a number, so that none is done twice. Between them the page looks: it asks for the planes.

// actions of one message, at most
const MOST = 500;

export class Actions {
  // link: of base.js; have(): what the page has of the planes; answered(answer): a promise, done when it is drawn;
  // refused(text): an error; idle(): nothing waits any more
  constructor(link, { have, answered, refused, idle }) {
    Object.assign(this, { link, have, answered, refused, idle, queue: [], number: 0, sent: 0, busy: false, again: false, exact: false });
    this.browser = [...crypto.getRandomValues(new Uint8Array(12))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
    this.writer = false;
  }

  /** The link is lost, or there again: what was on its way is sent again. */
  restart() {
    this.busy = false;
    this.sent = 0;
    this.flight = null;
  }

  /** An object that the server is to do; what belongs to the stroke of the one before is added to it. */
  push(action) {
    const last = this.queue[this.queue.length - 1];
    if (last && this.queue.length > this.sent && action.stroke && last.stroke === action.stroke && last.do === action.do) {
      if (action.by) last.by = last.by.map((value, k) => value + action.by[k]);
      else if (action.do === "turn") last.degrees += action.degrees;
      else Object.assign(last, action);
    } else {
      this.queue.push(action);
      this.number += 1;
    }
    this.go();
  }

  /** Ask for what is to be seen now. */
  look(exact = false) {
    this.again = true;
    this.exact = exact;
    this.go();
  }

  go() {
    if (this.busy || !this.link.known || !(this.queue.length || this.again)) return;
    if (!this.writer && this.queue.length) {
      this.queue = [];
      this.refused("another page writes; Take over makes it this one");
    }
    const actions = this.queue.slice(0, MOST);
    const n = this.number - this.queue.length + actions.length;
    const exact = this.exact && !actions.length;
    Object.assign(this, { busy: true, again: false, sent: actions.length });
    const what = actions.length ? { type: "act", actions, n, browser: this.browser } : { type: "look" };
    const mine = (this.flight = {});
    const done = async (settle) => {
      if (mine !== this.flight || !this.link.known) return; // sent again
      this.queue.splice(0, actions.length);
      this.sent = 0;
      await settle();
      this.busy = false;
      this.idle();
      this.go();
    };
    this.link.send({ ...what, exact, have: this.have() }).then(
      (answer) => done(() => this.answered(answer)),
      (error) => done(() => this.refused(error.message)),
    );
  }
}
