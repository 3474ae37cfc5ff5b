// The browser's audio thread: takes the microphone's samples and hands them on, 50 ms at a time, as 16-bit PCM.
class Microphone extends AudioWorkletProcessor {
  constructor() {
    super();
    this.size = Math.round(sampleRate / 20);
    this.piece = new Int16Array(this.size);
    this.filled = 0;
  }

  process([channels]) {
    if (!channels.length) return true;
    for (let i = 0; i < channels[0].length; i++) {
      let sample = 0;
      for (const channel of channels) sample += channel[i] / channels.length;
      this.piece[this.filled++] = Math.max(-1, Math.min(1, sample)) * 32767;
      if (this.filled === this.size) {
        this.port.postMessage(this.piece.buffer, [this.piece.buffer]);
        this.piece = new Int16Array(this.size); // the old one has been given away
        this.filled = 0;
      }
    }
    return true;
  }
}

registerProcessor("microphone", Microphone);
