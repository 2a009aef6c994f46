/** Outlines on a grid of 24 by 24. */
const paths = {
  back: "M15 5l-7 7 7 7",
  bell: "M6 17v-6a6 6 0 0 1 12 0v6l1.500 1.500h-15zM10 21h4",
  bellOff: "M8 6.500A6 6 0 0 1 18 11v4M6 9.500V17l-1.500 1.500H16M10 21h4M4 3l16 17",
  browse: "M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18M15.5 8.5l-2 5-5 2 2-5z",
  close: "M6 6l12 12M18 6L6 18",
  down: "M12 5v14M6 13l6 6 6-6",
  edit: "M4 20h4L19 9l-4-4L4 16v4M13 7l4 4",
  help: "M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18M9.5 9.5a2.5 2.5 0 1 1 3.5 2.3c-.7.3-1 .8-1 1.7M12 16.8v.2",
  more: "M6 12a.6.6 0 1 0-1.2 0 .6.6 0 0 0 1.2 0M12.6 12a.6.6 0 1 0-1.2 0 .6.6 0 0 0 1.2 0M19.2 12a.6.6 0 1 0-1.2 0 .6.6 0 0 0 1.2 0",
  people:
    "M9 11a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7M2.5 20c.4-3.6 2.9-6 6.5-6s6.1 2.4 6.5 6M16 4.5a3.5 3.5 0 0 1 0 6M18 14.3c2 .8 3.2 2.8 3.5 5.7",
  plus: "M12 5v14M5 12h14",
  reply: "M9 6l-6 6 6 6M3 12h11a7 7 0 0 1 7 7",
  search: "M11 4a7 7 0 1 0 0 14 7 7 0 0 0 0-14M16.2 16.200L21 21",
  send: "M4 12L20 4l-5 17-3.5-7zM11.5 14L20 4",
  settings: "M4 7h10M18 7h2M4 17h2M10 17h10M16 4.500v5M8 14.500v5",
  signOut: "M14 4H5v16h9M10 12h11M17 8l4 4-4 4",
  smile:
    "M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18M8.5 14c.7 1.4 2 2.2 3.5 2.200s2.8-.8 3.5-2.200M9 9.500v.01M15 9.500v.01",
  trash: "M4 7h16M9 7V4h6v3M6 7l1 13h10l1-13M10 11v5M14 11v5",
} as const;

export type IconName = keyof typeof paths;

/** An icon for a button. It has no accessible name: the button needs a label. */
export function Icon({ name }: { name: IconName }) {
  return (
    <svg class="icon" viewBox="0 0 24 24" aria-hidden="true" focusable="false">
      <path d={paths[name]} />
    </svg>
  );
}

/** A button that shows only an icon. */
export function IconButton(props: {
  name: IconName;
  label: string;
  onClick: () => void;
  pressed?: boolean;
  class?: string;
  /** Keys that do the same. */
  keys?: string;
}) {
  const { name, label, onClick, pressed, keys } = props;
  return (
    <button
      type="button"
      class={`icon-button ${props.class ?? ""}`}
      aria-label={label}
      aria-pressed={pressed}
      aria-keyshortcuts={keys}
      title={label}
      onClick={onClick}
    >
      <Icon name={name} />
    </button>
  );
}
