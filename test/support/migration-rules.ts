// What a migration may not do, since the previous release still runs on its schema and requests wait behind its locks.

/** Sentences about the text of one migration; none for one that only adds. docs/operations/upgrades.md explains each. */
export function migrationFaults(text: string): string[] {
  const up = withoutComments(text.slice(text.indexOf('function up'), endOfUp(text)));
  const changed = changesOfTables(up);
  const faults: string[] = [];
  if (takesAway(up, changed) && !/^\/\/.*\bUnused since \d+\.\d+\.\d+\b/m.test(text)) {
    faults.push(
      'takes away or renames what a release may use: name the release in a line "// Unused since 1.2.3."',
    );
  }
  if (changed.some(demandsValue)) faults.push('demands a value that the previous release does not write');
  if (changed.some((one) => /\.alter\(|\balter\s+(column\s+)?\w+\s+(set\s+data\s+)?type\b/i.test(one))) {
    faults.push('changes the type of a column');
  }
  return [...faults, ...indexFaults(text, up, changed)];
}

const endOfUp = (text: string) =>
  text.includes('function down') ? text.indexOf('function down') : text.length;

function withoutComments(code: string): string {
  return code.replace(/\/\*[\s\S]*?\*\//g, '').replace(/(^|\s)(\/\/|--).*$/gm, '$1');
}

/** Of tables that are there already: statements and blocks of knex. */
function changesOfTables(up: string): string[] {
  const sql = up.match(/\balter\s+table\b[^;`]*/gi) ?? [];
  const blocks = up.match(/\.(alterTable|table)\([\s\S]*?\n {2}\}\)/g) ?? [];
  return [...sql, ...blocks];
}

function takesAway(up: string, changed: readonly string[]): boolean {
  if (/\bdrop\s+(table|view|schema|type|function)\b|\.(dropTable|dropView|renameTable)/i.test(up))
    return true;
  return changed.some((one) =>
    /\bdrop\s+column\b|\brename\b|\.(dropColumn|dropColumns|renameColumn)\(/i.test(one),
  );
}

function demandsValue(change: string): boolean {
  if (/\bset\s+not\s+null\b|\.(dropNullable|setNullable)\(/i.test(change)) return true;
  const columns = change.split(/;|,(?![^(]*\))/);
  return columns.some(
    // `drop not null` allows more than before, and `is not null` asks.
    (column) =>
      /(?<!\b(drop|is)\s+)\bnot\s+null\b|\.notNullable\(/i.test(column) && !/\bdefault/i.test(column),
  );
}

function indexFaults(text: string, up: string, changed: readonly string[]): string[] {
  const statements = up.match(/\bcreate\s+(unique\s+)?index\b[^;`']*/gi) ?? [];
  const made = new Set(
    [...up.matchAll(/create\s+(?:unlogged\s+)?table\s+(?:if not exists\s+)?(\w+)/gi)].map(nameOf),
  );
  for (const match of up.matchAll(/createTable\(\s*['"](\w+)/g)) made.add(nameOf(match));
  const onOld = statements.filter((one) => !made.has(/\bon\s+(?:only\s+)?(\w+)/i.exec(one)?.[1] ?? ''));
  const blocking = onOld.filter((one) => !/\bconcurrently\b/i.test(one));
  const faults: string[] = [];
  if (
    blocking.length > 0 ||
    changed.some((one) => /\.(index|unique)\(|\badd\s+(unique|primary)\b/i.test(one))
  ) {
    faults.push('builds an index while writers wait: create it concurrently, in a file of its own');
  }
  if (statements.some((one) => /\bconcurrently\b/i.test(one))) {
    const alone = statements.length === 1 && changed.length === 0 && made.size === 0;
    if (!alone || !/config\s*=\s*\{\s*transaction:\s*false/.test(text)) {
      faults.push(
        'builds an index concurrently: alone in its file, with `export const config = { transaction: false }`',
      );
    }
    if (!/set\s+lock_timeout\s*=\s*0/i.test(up))
      faults.push('builds an index concurrently: first `set lock_timeout = 0`');
  }
  return faults;
}

const nameOf = (match: RegExpMatchArray | RegExpExecArray): string => match[1] ?? '';
