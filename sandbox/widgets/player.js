// The player: which moment of a history is shown. Pure logic; the clock is given to `tick`.

export const SPEEDS = [0.25, 0.5, 1, 2, 4, 8, 16];

export class Player {
  // `live`: follow the newest event.
  constructor(history, { live = false } = {}) {
    this.history = history;
    this.speed = 1;
    this.live = live;
    this.playing = live;
    this.follows = false; // Another picture plays, and this one goes where it is.
    this.n = live ? history.length : 0;
    this.t = live ? history.end : 0;
    this.nowS = history.end;
  }

  get state() { return this.history.upTo(this.n); }

  get end() { return Math.max(this.history.end, this.nowS); }

  get atEnd() { return this.n >= this.history.length && this.t >= this.end; }
  get moving() { return this.playing || this.follows; }

  // A session that has ended has nothing more to follow.
  get isOver() { return this.live && this.history.tip.ended !== null; }

  // Events were added, and the session's own clock was at nowS.
  told(nowS = 0) {
    this.nowS = Math.max(this.nowS, this.history.end, nowS);
    if (!this.live) return;
    this.t = this.nowS;
    this.n = this.history.length;
  }

  play() {
    if (!this.live && this.atEnd) this.seek(0);
    this.playing = true;
    this.follows = false;
  }

  pause() {
    this.playing = false;
    this.follows = false;
    this.live = false;
  }

  toggle() {
    if (this.moving) this.pause();
    else this.play();
  }

  // "live" or a factor; what is no speed changes nothing.
  setSpeed(speed) {
    if (speed === "live") {
      this.live = this.playing = true;
      this.follows = false;
      this.told();
    } else if (SPEEDS.includes(Number(speed))) {
      this.live = false;
      this.speed = Number(speed);
      if (this.follows) this.play(); // Who changes the speed leads from here on.
    }
  }

  // To the moment t: all that has happened by then.
  seek(t) {
    this.live = false;
    this.t = Math.min(Math.max(0, Number.isFinite(t) ? t : 0), this.end);
    this.n = this.history.countAt(this.t);
  }

  // One event on (1) or back (-1).
  step(by) {
    this.pause();
    this.n = Math.min(Math.max(0, this.n + by), this.history.length);
    this.t = this.n === 0 ? 0 : this.history.times[this.n - 1];
  }

  home() {
    this.pause();
    this.step(-this.n);
  }

  toEnd() {
    this.pause();
    this.seek(this.end);
    this.n = this.history.length;
  }

  // Another picture leads, at this speed.
  follow(speed) {
    this.pause();
    this.speed = speed;
    this.follows = true;
  }

  // `ms` have passed; return whether something else is to be shown.
  tick(ms) {
    if (!this.playing) return false;
    const seconds = Math.max(0, ms) / 1000;
    if (this.live) {
      // Redelivery clocks go on between two batches, while the session is open.
      if (this.history.tip.ended === null) this.t = this.nowS += seconds;
      return true;
    }
    this.t = Math.min(this.t + seconds * this.speed, this.end);
    this.n = Math.max(this.n, this.history.countAt(this.t));
    if (this.atEnd) this.playing = false;
    return true;
  }
}
