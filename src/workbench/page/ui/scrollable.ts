/** Props of an element that scrolls: keys must reach it, although nothing in it can be pressed. */
export const scrollable = { tabIndex: 0 } as const
