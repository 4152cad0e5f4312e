// What the examples are told by the environment; the defaults fit a server with sample data (`npm run demo`).

/** The value of the variable, or its default; without either the program ends and says what to do. */
export function setting(name: string, byDefault?: string): string {
  const value = process.env[name] || byDefault;
  if (value !== undefined) return value;
  console.error(`Set ${name}: docs/examples.md says where it comes from.`);
  process.exit(2);
}

export function portSetting(name: string, byDefault: number): number {
  const text = setting(name, String(byDefault));
  const port = Number(text);
  if (/^\d{1,5}$/.test(text) && port <= 65_535) return port;
  console.error(`${name} "${text}" is not a port: a whole number from 1 to 65535.`);
  process.exit(2);
}
