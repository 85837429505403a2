/** Small line drawings on a 16 by 16 grid. */
const paths = {
  close: 'M4 4l8 8M12 4l-8 8',
  chevron: 'M4 6l4 4 4-4',
  check: 'M3 8.5l3.2 3.2L13 5',
  cross: 'M4.5 4.5l7 7M11.5 4.5l-7 7',
  dash: 'M4 8h8',
  plus: 'M8 3v10M3 8h10',
  play: 'M5 3.5v9l7-4.5z',
  stop: 'M4.5 4.5h7v7h-7z',
  pin: 'M6 2.5h4l-.6 4.2 2.1 2.3H4.5l2.1-2.3zM8 9v4.5',
  swap: 'M5 3v9.5M5 12.5L2.7 10M5 12.5L7.3 10M11 13V3.5M11 3.5L8.7 6M11 3.5L13.3 6',
  export: 'M8 2.5v7.5M8 2.5L5 5.5M8 2.5l3 3M3 9.5v4h10v-4',
  link: 'M6.5 9.5l3-3M7 4.8l1.6-1.6a2.6 2.6 0 013.7 3.7L10.8 8.5M9 11.2l-1.6 1.6a2.6 2.6 0 01-3.7-3.7L5.2 7.5',
  folder: 'M2 12.5v-9h4l1.5 2H14v7z',
  sun: 'M8 5.2a2.8 2.8 0 100 5.6 2.8 2.8 0 000-5.6zM8 1.5v1.6M8 12.9v1.6M1.5 8h1.6M12.9 8h1.6M3.4 3.4l1.1 1.1M11.5 11.5l1.1 1.1M3.4 12.6l1.1-1.1M11.5 4.5l1.1-1.1',
  moon: 'M13 9.6A5.6 5.6 0 016.4 3 5.6 5.6 0 1013 9.6z',
  half: 'M8 2a6 6 0 100 12A6 6 0 008 2zM8 2v12M8 5h4.8M8 8h6M8 11h4.8',
  table: 'M2.5 3.5h11v9h-11zM2.5 6.5h11M2.5 9.5h11M6.5 3.5v9',
  picture: 'M2.5 3.5h11v9h-11zM3 11l3-3.5 2.5 2.5 2-2 2.5 3',
  question: 'M5.8 6a2.3 2.3 0 114 1.5C9 8.2 8 8.6 8 9.8M8 12v.4',
  lock: 'M4 7.5h8v6H4zM5.5 7.5V5.2a2.5 2.5 0 015 0v2.3',
  scissors:
    'M12.5 3L6 10.2M12.5 13L6 5.8M4.5 6.5a1.8 1.8 0 100-3.6 1.8 1.8 0 000 3.6zM4.5 13.1a1.8 1.8 0 100-3.6 1.8 1.8 0 000 3.6z',
  warning: 'M8 2.5l6 10.5H2zM8 6.5v3M8 11.3v.3',
} as const

export type IconName = keyof typeof paths

/** A drawing that only repeats what its control says in words. */
export function Icon({ name, size = 16 }: { readonly name: IconName; readonly size?: number }) {
  return (
    <svg className="icon" width={size} height={size} viewBox="0 0 16 16" aria-hidden="true">
      <path
        d={paths[name]}
        fill="none"
        stroke="currentColor"
        strokeWidth="1.4"
        strokeLinecap="round"
        strokeLinejoin="round"
      />
    </svg>
  )
}
