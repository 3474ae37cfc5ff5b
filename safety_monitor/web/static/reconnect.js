// A page that has lost its station loads itself anew as soon as the station asks it to sign in again: without this it
// would wait for ever, for a connection that is not given to whoever is signed out. All else NiceGUI does by itself.
setInterval(() => {
  if (document.getElementById("popup")?.ariaHidden !== "false") return;
  fetch("/login", { redirect: "manual", cache: "no-store" }) // leads on whoever is signed in; asked for no page
    .then((answer) => answer.ok && location.reload())
    .catch(() => {}); // it does not answer yet
}, 5000);

// One that never found it claims nothing either: NiceGUI tells only of a connection that there was.
setTimeout(() => {
  if (!window.did_handshake) document.getElementById("popup").ariaHidden = "false";
}, 5000);
