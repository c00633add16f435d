// Lead: pictures that are linked move as one. One of them leads and says where it is, the others
// go there; to follow the newest event needs no leader. Only traits are set: no kernel is needed.
//
// cursor_s is the moment shown. motion is "" until the reader has moved anything, then "paused",
// "live", or the speed and the name of the picture that leads.

export class Lead {
  // `moved()` is called when the player was moved from elsewhere.
  constructor(model, player, moved) {
    this.model = model;
    this.player = player;
    this.moved = moved;
    this.me = Math.random().toString(36).slice(2, 10);
    const motion = model.get("motion") || "";
    if (!motion.includes(" ")) this.hear(motion); // Who led before this page was loaded is gone.
    this.known();
  }

  get motion() {
    const { player } = this;
    if (player.live) return "live";
    return player.playing ? `${player.speed} ${this.me}` : "paused";
  }

  // What the others know of this picture's player.
  known() {
    this.said = this.player.follows ? "follows" : this.motion;
    this.at = this.player.t;
  }

  // Say what has changed here, and nothing that came from elsewhere.
  say() {
    const { model, player, motion } = this;
    if (player.follows) return;
    const [turned, moved] = [motion !== this.said, !player.live && player.t !== this.at];
    this.known(); // First: the model tells this picture too.
    if (turned) model.set("motion", motion);
    if (moved) model.set("cursor_s", player.t);
  }

  hear(motion) {
    const { player } = this;
    const [word, leader] = motion.split(" ");
    if (motion === "" || leader === this.me) return false;
    if (word === "live" && this.model.get("head")?.live) player.setSpeed("live");
    else if (word === "live") player.pause(); // A run that is over has no newest event to come.
    else if (word === "paused") player.pause();
    else player.follow(Number(word));
    return true;
  }

  motionChanged() {
    const motion = this.model.get("motion") || "";
    if (motion === this.said || !this.hear(motion)) return;
    this.known();
    this.moved();
  }

  cursorChanged() {
    const { player } = this;
    const t = this.model.get("cursor_s");
    if (!Number.isFinite(t) || Math.abs(t - player.t) < 1e-6) return;
    if (!player.follows) player.pause();
    player.seek(t);
    this.known();
    this.moved();
  }
}
