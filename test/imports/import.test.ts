// Bringing people along: what is read, what is refused and why, and that an interrupted import loses and doubles nothing.
import { appendFileSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { operator } from '../support/people.ts';
import { BCRYPT, BCRYPT_PASSWORD, useImports } from './world.ts';

const { gatehouse, run, newReport, linesOf } = useImports();

const db = () => gatehouse.services.postgres.db;
const found = (identifier: string) => gatehouse.services.accounts.findByIdentifier(identifier);
const signIn = (identifier: string, password: string) =>
  gatehouse.services.credentials.verify('password', { identifier, password });

/** A CSV file of so many people whose addresses begin with `name`. */
const people = (name: string, count: number) =>
  `email,username\n${Array.from({ length: count }, (_, at) => `${name}.${at}@example.com,${name}-${at}\n`).join('')}`;

const countOf = async (name: string) =>
  Number(
    (
      await db()('account_identifiers').whereLike('normalized', `${name}%`).countDistinct('account_id as n')
    )[0]?.n,
  );

describe('an import', () => {
  it('makes accounts with all that a line says, each with its event, and one event for the batch', async () => {
    await gatehouse.services.organizations.create({ slug: 'pier', name: 'The Pier' }, operator);
    const report = newReport();
    const file = [
      'id,email,email_verified,username,name,given_name,locale,profile.nickname,organization,password_hash',
      String.raw`17,Ada@Example.com,yes,ada,"Lovelace, ""Ada""",\N,en-GB,"Countess of ""\x""",pier,${BCRYPT}`,
    ].join('\r\n');
    expect(await run(`\ufeff${file}\r\n`, { report })).toMatchObject({ records: 1, created: 1, refused: 0 });
    const account = await found('ada@example.com');
    expect(account).toMatchObject({
      email: 'Ada@Example.com',
      emailVerified: true,
      username: 'ada',
      name: 'Lovelace, "Ada"',
      givenName: String.raw`\N`,
      locale: 'en-GB',
      admin: false,
      profile: { nickname: String.raw`Countess of "\x"` },
    });
    const { id = '' } = account ?? {};
    expect(linesOf(report)).toEqual([{ line: 2, ref: '17', result: 'created', id }]);
    expect(await gatehouse.services.organizations.membershipsOf(id)).toMatchObject([{ slug: 'pier' }]);
    const types = await db()('audit_events').where({ account_id: id }).orderBy('type').pluck('type');
    expect(types).toEqual(['account.created', 'organization.member-added']);
    const batch = await db()('audit_events')
      .where({ type: 'accounts.imported' })
      .first('details', 'actor_id');
    expect(batch?.details).toMatchObject({ created: 1, present: 0, refused: 0, passwords: 1, lines: [2, 2] });
    expect(await signIn('ada', BCRYPT_PASSWORD)).toMatchObject({ kind: 'ok' });
  });

  it('reads JSON lines as well', async () => {
    const lines = [
      { email: 'grace@example.com', name: 'Grace', email_verified: true, profile: { nickname: 'Amazing' } },
      { username: 'only-a-name', password_hash: BCRYPT },
    ];
    const text = lines.map((line) => JSON.stringify(line)).join('\n');
    expect(await run(text)).toMatchObject({ created: 2 });
    expect(await found('grace@example.com')).toMatchObject({ emailVerified: true, name: 'Grace' });
    expect(await signIn('only-a-name', BCRYPT_PASSWORD)).toMatchObject({ kind: 'ok' });
  });

  it('says of whom is there already who they are, and touches nothing of theirs', async () => {
    await run('email,name\nthere@example.com,Before\n');
    const before = await found('there@example.com');
    const report = newReport();
    const again = 'email,name,password_hash\nTHERE@example.com,After,\nthere@example.com,Twice,\n';
    expect(await run(again, { report })).toMatchObject({ created: 0, present: 2, refused: 0 });
    expect(linesOf(report)).toEqual([
      { line: 2, result: 'present', id: before?.id },
      { line: 3, result: 'present', id: before?.id },
    ]);
    expect(await found('there@example.com')).toEqual(before);
  });

  it('takes one of two with the same address, and none with the user name of somebody else', async () => {
    const report = newReport();
    const file = 'email,username\none@example.com,first\nONE@example.com,other\ntwo@example.com,first\n';
    expect(await run(file, { report })).toMatchObject({ created: 1, present: 1, refused: 1 });
    const [first, second, third] = linesOf(report);
    expect(second).toEqual({ line: 3, result: 'present', id: first.id });
    expect(third).toMatchObject({ line: 4, result: 'refused', code: 'identifier_taken' });
    expect(await found('two@example.com')).toBeUndefined();
  });

  it('refuses what is wrong with its line and a reason, and goes on', async () => {
    const report = newReport();
    const bytes = Buffer.concat([
      Buffer.from('email,name,password_hash,organization,admin,password\n'),
      Buffer.from('no address,,,,,\n'),
      Buffer.from('a@example.com,,5f4dcc3b5aa765d61d8327deb882cf99,,,\n'),
      Buffer.from('b@example.com,,$2b$31$Yn9BF0/yJL2gtb0Wc4d.4uxKr24CFKiBtfKEMm7rCkMMZ5CUgK6dS,,,\n'),
      Buffer.from('c@example.com,,,nowhere,,\n'),
      Buffer.from('d@example.com,,,,true,\n'),
      Buffer.from('e@example.com,,,,,"hunter of lanterns"\n'),
      Buffer.from('f@example.com,one too many,,,,,\n'),
      Buffer.from('g@example.com,"x"y,,,,\n'),
      Buffer.concat([Buffer.from('h@example.com,'), Buffer.from([0xff, 0xfe]), Buffer.from(',,,,\n')]),
      Buffer.from(`i@example.com,${'x'.repeat(1_000_000)},,,,\n`),
      Buffer.from('j@example.com,,,,perhaps,\n'),
      Buffer.from('k@example.com,a\u0000b,,,,\n'),
      Buffer.from('l@example.com,a\u202eb,,,,\n'),
      Buffer.from(',Nobody,,,,\n'),
      Buffer.from('m@example.com,=1+1,,,,\n'),
      Buffer.from('n@example.com,"not closed,,,,\no@example.com,Fine,,,,\n'),
    ]);
    expect(await run(bytes, { report })).toMatchObject({ created: 2, present: 0, refused: 15 });
    const lines = linesOf(report);
    expect(lines.map(({ line }) => line)).toEqual([...Array(17).keys()].map((at) => at + 2));
    expect(lines.map(({ code }) => code ?? 'created').slice(0, 5)).toEqual([
      'identifier_invalid',
      'request_invalid',
      'request_invalid',
      'organization_not_found',
      'request_invalid',
    ]);
    expect(lines.map(({ reason }) => reason ?? '')).toEqual([
      expect.stringContaining('not a valid mail address'),
      expect.stringContaining('form of hash is not known'),
      expect.stringContaining('costs more than a sign-in may'),
      expect.stringContaining('no such organization'),
      expect.stringContaining('--allow-admins'),
      expect.stringContaining('--allow-plain'),
      expect.stringContaining('7 values for 6 columns'),
      expect.stringContaining('no separator'),
      expect.stringContaining('not UTF-8'),
      expect.stringContaining('longer than 64 KiB'),
      expect.stringContaining('true or false'),
      expect.stringContaining('null character'),
      expect.stringContaining('name'),
      expect.stringContaining('needs a mail address or a user name'),
      '',
      expect.stringContaining('not closed'),
      '',
    ]);
    // A formula is a name like any other here; whoever puts names into a spreadsheet takes care there.
    expect(await found('m@example.com')).toMatchObject({ name: '=1+1' });
    expect(JSON.stringify(lines)).not.toContain('hunter');
  });

  it.each([
    ['a field that there is not', 'email,shoe_size\n', "There is no field 'shoe_size'"],
    ['the same name twice', 'email,email\n', "Two columns are named 'email'"],
    ['nothing at all', '', 'The file is empty'],
    ['UTF-16', Buffer.from('\ufeffemail\n', 'utf16le'), 'save it as UTF-8'],
  ])('is refused as a whole for %s', async (_name, text, sentence) => {
    await expect(run(text)).rejects.toThrow(sentence);
  });

  it('takes other names of columns, and leaves out what it is told to', async () => {
    const file = 'Mail;Full name;shoe size\nrenamed@example.com;Re Named;44\n';
    expect(
      await run(file, { columns: { Mail: 'email', 'Full name': 'name', 'shoe size': '' } }),
    ).toMatchObject({
      created: 1,
    });
    expect(await found('renamed@example.com')).toMatchObject({ name: 'Re Named' });
  });

  it('makes administrators and hashes passwords only when it is told to', async () => {
    const file = 'email,admin,password\nboss@example.com,true,a lamp on the pier 77\n';
    await run(file, { rules: { allowAdmins: true, allowPlain: true } });
    const boss = await found('boss@example.com');
    expect(boss?.admin).toBe(true);
    const row = await db()('passwords').where({ account_id: boss?.id }).first('hash');
    expect(row?.hash).toMatch(/^\$argon2id\$/);
    expect(await signIn('boss@example.com', 'a lamp on the pier 77')).toMatchObject({ kind: 'ok' });
  });

  it('has everybody choose a new password when it is told to', async () => {
    const file = `email,password_hash\nmoved@example.com,${BCRYPT}\n`;
    await run(file, { rules: { requirePasswordChange: true } });
    const account = await found('moved@example.com');
    const { passwords } = gatehouse.services.credentials;
    expect(account && (await passwords.mustChange(account.id))).toBe('import');
  });

  it('that is only tried writes nothing', async () => {
    const before = await db()('audit_events').count('* as n');
    expect(await run(people('dry', 3), { dryRun: true })).toMatchObject({ created: 3 });
    expect(await countOf('dry')).toBe(0);
    expect(await db()('audit_events').count('* as n')).toEqual(before);
  });

  it('stops when more are refused than it may have', async () => {
    const bad = 'nobody\n'.repeat(3000);
    const summary = await run(`email\nfine@example.com\n${bad}last@example.com\n`, { maximumRefused: 10 });
    expect(summary).toMatchObject({ created: 1, stopped: true });
    expect(await found('last@example.com')).toBeUndefined();
  });
});

describe('an import that was interrupted', () => {
  it('does not begin anew over its report, and resumes only its own file', async () => {
    const report = newReport();
    await run(people('own', 3), { report });
    await expect(run(people('own', 3), { report })).rejects.toThrow('--resume');
    await expect(run(people('foreign', 3), { report, resume: true })).rejects.toThrow('of another file');
    await expect(run(people('own', 3), { report: newReport(), resume: true })).rejects.toThrow('no report');
  });

  it('goes on where it was killed, wherever that was: nobody twice, nobody lost, one line each', async () => {
    const report = newReport();
    const file = people('killed', 2500);
    await run(file, { report });
    const whole = readFileSync(report);
    const ids = linesOf(report).map(({ id }) => id);
    // Killed when two batches were committed and the third was told but not committed, at any byte of the report.
    const third = linesOf(report).slice(2000);
    const undo = async () => {
      const created = third.filter(({ result }) => result === 'created').map(({ id }) => id);
      await db()('accounts').whereIn('id', created).delete();
    };
    await undo();
    expect(await run(file, { report, resume: true })).toMatchObject({ records: 2500, created: 2500 });
    expect(await countOf('killed')).toBe(2500);
    expect(linesOf(report)).toHaveLength(2500);
    expect(
      linesOf(report)
        .map(({ id }) => id)
        .slice(0, 2000),
    ).toEqual(ids.slice(0, 2000));

    for (const cut of [1, 50, 20_000]) {
      writeFileSync(report, whole);
      truncateSync(report, whole.length - cut);
      const again = linesAfter(report);
      await db()('accounts').whereIn('id', again).delete();
      await db()('accounts')
        .whereRaw(
          "id in (select account_id from account_identifiers where normalized ~ '^killed.2[0-4][0-9][0-9]@')",
        )
        .delete();
      expect(await run(file, { report, resume: true })).toMatchObject({ records: 2500, present: 0 });
      expect(await countOf('killed')).toBe(2500);
      expect(linesOf(report)).toHaveLength(2500);
    }
  });

  /** The ids of the torn last batch: nothing of it was committed. */
  function linesAfter(report: string): string[] {
    const text = readFileSync(report, 'utf8');
    return text
      .split('\n')
      .slice(2001)
      .flatMap((line) => /"id":"(acc_\w{26})"/.exec(line)?.[1] ?? []);
  }

  it('is told the same when it was killed after all was committed', async () => {
    const report = newReport();
    const file = people('complete', 1200);
    await run(file, { report });
    const { size } = statSync(report);
    expect(await run(file, { report, resume: true })).toMatchObject({ records: 1200, created: 1200 });
    expect(statSync(report).size).toBe(size);
    appendFileSync(report, '{"line":');
    expect(await run(file, { report, resume: true })).toMatchObject({ records: 1200, created: 1200 });
    expect(statSync(report).size).toBe(size);
  });

  it('beside another of the same people makes each of them once', async () => {
    const both = await Promise.all([run(people('race', 1500)), run(people('race', 1500))]);
    expect(both.map(({ created, present, refused }) => created + present + refused)).toEqual([1500, 1500]);
    expect(both.reduce((sum, { created }) => sum + created, 0)).toBe(1500);
    expect(await countOf('race')).toBe(1500);
  });
});
