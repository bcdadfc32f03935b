// A pod's drawer: containers, conditions, events, logs and YAML.

export function drawer(dialog, names, redraw) {
  return {
    open(uid, from) {},
    draw(state, at) {},
  };
}
