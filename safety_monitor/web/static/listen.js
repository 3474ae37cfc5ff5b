// Listens with this browser's microphone: sends its sound to the station, and shows what the station hears in it.
// The texts come from the page, so that they are in one language file with all others.
const listening = (() => {
  const LONGEST_WAIT_S = 5;
  const MOST_BEHIND = 200_000; // bytes that the network has not taken yet
  const SILENT_DBFS = -100, SILENT_READINGS = 30;
  const STALLED_MS = 5_000, DEAD_MS = 20_000; // nothing has come back; longer than the station waits for sound
  let on = null; // what belongs to the listening that is going on

  const byId = (id) => document.getElementById(id);
  const texts = () => JSON.parse(byId("listen-texts").textContent);
  const fill = (text, values) => text.replace(/\{(\w+)\}/g, (_, name) => values[name]);

  function say(text, bad = false) {
    byId("listen-status").textContent = text;
    byId("listen-status").classList.toggle("bad", bad);
  }

  function bar(name, share, text, kind) {
    const box = byId("listen-bars");
    let row = [...box.children].find((each) => each.dataset.name === name);
    if (!row) {
      row = document.createElement("div");
      row.className = `bar ${kind}`;
      row.dataset.name = name;
      row.innerHTML = '<span></span><div role="meter" aria-valuemin="0" aria-valuemax="1"><i></i></div><b></b>';
      row.children[0].textContent = name;
      row.children[1].setAttribute("aria-label", name);
      box.append(row);
    }
    row.children[1].setAttribute("aria-valuenow", share.toFixed(2));
    row.querySelector("i").style.width = `${100 * share}%`;
    row.children[2].textContent = text;
  }

  function show(reading) {
    const words = texts();
    const loud = Math.min(Math.max(1 + reading.level_dbfs / 80, 0), 1);
    bar(words.level, loud, `${Math.max(reading.level_dbfs, -80).toFixed(0)} dBFS`, "level");
    bar(words.score, reading.scream, reading.scream.toFixed(2), "score");
    for (const [label, value] of Object.entries(reading.probabilities)) {
      bar(words.labels[label] ?? label, value, value.toFixed(2), "label");
    }
    on.silent = reading.level_dbfs < SILENT_DBFS ? on.silent + 1 : 0;
    if (reading.deaf) say(words.deaf);
    else if (!reading.armed) say(words.disarmed, true);
    else if (on.silent > SILENT_READINGS) say(words.silent, true);
    else say(fill(words.hears, { what: words.labels[reading.label] ?? reading.label }));
  }

  function connect() {
    const mine = on;
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    const socket = new WebSocket(`${scheme}://${location.host}/api/v1/listen?rate=${mine.context.sampleRate}`);
    mine.socket = socket;
    mine.heard = Date.now();
    socket.onmessage = ({ data }) => {
      if (on !== mine || mine.socket !== socket) return;
      mine.heard = Date.now();
      const message = JSON.parse(data);
      if (message.type === "ready") {
        mine.tries = 0;
        mine.why = "";
        tellPosition();
      } else if (message.type === "reading") show(message);
      else if (message.type === "incident") emitEvent("heard", message.incident);
      else if (message.type === "ended" && message.detail) mine.why = message.detail;
    };
    socket.onclose = ({ code, reason }) => on === mine && mine.socket === socket && lost(mine, code, reason);
  }

  function lost(mine, code, reason) {
    mine.socket = null;
    if (code === 1008) return stop(fill(texts().ended, { why: reason }));
    mine.why = reason || mine.why;
    // Without an end: a router, a station that starts anew and a telephone call, which takes the microphone, last for
    // minutes, and nobody looks at a phone that listens.
    say(fill(texts().lost, { why: mine.why && ` (${mine.why})` }), true);
    setTimeout(() => on === mine && connect(), 1000 * Math.min(++mine.tries, LONGEST_WAIT_S));
  }

  // A connection that has died without a word, and a station that hangs, must not go on to look as if they listened.
  function watch(mine) {
    const quiet = Date.now() - mine.heard;
    if (on !== mine || !mine.socket || quiet < STALLED_MS) return;
    if (quiet < DEAD_MS) return say(texts().stalled, true);
    mine.socket.close();
    lost(mine, 0, "");
  }

  function tellPosition() {
    if (on?.position && on.socket?.readyState === WebSocket.OPEN) on.socket.send(JSON.stringify(on.position));
  }

  function watchPosition(mine) {
    const box = byId("listen-position");
    box.textContent = texts().locating;
    if (!navigator.geolocation) {
      box.textContent = texts().nowhere;
      return;
    }
    mine.watch = navigator.geolocation.watchPosition(
      ({ coords }) => {
        mine.position = { latitude: coords.latitude, longitude: coords.longitude, accuracy_m: coords.accuracy };
        box.textContent = fill(texts().located, { metres: Math.ceil(coords.accuracy) });
        tellPosition();
      },
      () => { if (!mine.position) box.textContent = texts().nowhere; },
      { enableHighAccuracy: true, maximumAge: 10_000 },
    );
  }

  async function start() {
    const words = texts();
    if (!navigator.mediaDevices?.getUserMedia || !window.AudioWorkletNode) {
      say(words.insecure, true);
      return;
    }
    const mine = (on = { tries: 0, silent: 0, why: "" });
    say(words.asking);
    document.querySelector(".listen").classList.add("on");
    try {
      // What a browser does to make speech clear takes screams away.
      const audio = { echoCancellation: false, noiseSuppression: false, autoGainControl: false, channelCount: 1 };
      mine.stream = await navigator.mediaDevices.getUserMedia({ audio });
      mine.context = new AudioContext();
      if (mine.context.sampleRate > 96_000) {
        await mine.context.close();
        mine.context = new AudioContext({ sampleRate: 48_000 });
      }
      await mine.context.audioWorklet.addModule("/static/microphone.js");
      if (on !== mine) return free(mine);
      const microphone = new AudioWorkletNode(mine.context, "microphone");
      microphone.port.onmessage = ({ data }) => {
        if (mine.socket?.readyState === WebSocket.OPEN && mine.socket.bufferedAmount < MOST_BEHIND) mine.socket.send(data);
      };
      mine.context.createMediaStreamSource(mine.stream).connect(microphone).connect(mine.context.destination); // silent
      mine.context.onstatechange = () => mine.context.state !== "closed" && mine.context.resume();
      mine.stream.getAudioTracks()[0].onended = () => on === mine && stop(texts().unplugged);
      mine.awake = await navigator.wakeLock?.request("screen").catch(() => null);
    } catch (error) {
      if (on === mine) stop(fill(error.name === "NotAllowedError" ? words.forbidden : words.failed, { why: error.message }));
      return free(mine);
    }
    watchPosition(mine);
    connect();
    mine.watching = setInterval(watch, 1000, mine);
  }

  function free(mine) {
    navigator.geolocation?.clearWatch(mine.watch);
    clearInterval(mine.watching);
    mine.socket?.close();
    mine.stream?.getTracks().forEach((track) => track.stop());
    if (mine.context && mine.context.state !== "closed") mine.context.close();
    mine.awake?.release();
  }

  function stop(why = "") {
    if (on) free(on);
    on = null;
    document.querySelector(".listen").classList.remove("on");
    byId("listen-position").textContent = "";
    say(why, Boolean(why));
  }

  addEventListener("pagehide", () => on && free(on));
  return { toggle: () => (on ? stop() : start()) };
})();
