// What the commands take from the terminal and from files: passphrases, an address, the bytes of a backup.
import { createReadStream } from 'node:fs';
import { access, constants, readFile } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { type CommandOption, type Io, type Options, UsageMistake } from '../platform/command.ts';
import { LEAST_PASSPHRASE_CHARACTERS } from './encryption.ts';
import type { Output } from './output.ts';

export const passphraseFile: CommandOption = {
  name: 'passphrase-file',
  value: 'file',
  summary: 'Read the passphrase from this file instead of asking for it.',
};

/** Asked for twice, since a slip of the finger would be found out when the backup is needed. */
export async function passphraseToMake(options: Options, io: Io): Promise<string> {
  const given = await givenText(options, undefined, passphraseFile.name);
  const passphrase = given ?? (await io.askSecret('Passphrase: '));
  if ([...passphrase].length < LEAST_PASSPHRASE_CHARACTERS) {
    throw new UsageMistake(`The passphrase must have at least ${LEAST_PASSPHRASE_CHARACTERS} characters.`);
  }
  if (given === undefined && passphrase !== (await io.askSecret('Passphrase again: '))) {
    throw new UsageMistake('The two passphrases differ.');
  }
  return passphrase;
}

export function givesPassphrase(options: Options): boolean {
  return options.text(passphraseFile.name) !== undefined;
}

export function passphraseOf(options: Options, io: Io): () => Promise<string> {
  return async () =>
    (await givenText(options, undefined, passphraseFile.name)) ?? io.askSecret('Passphrase of the backup: ');
}

/** The value of an option, or of the file that another option names, without the line end of the file. */
export async function givenText(
  options: Options,
  option: string | undefined,
  fileOption: string,
): Promise<string | undefined> {
  const text = option === undefined ? undefined : options.text(option);
  const file = options.text(fileOption);
  if (file === undefined) return text;
  if (text !== undefined) throw new UsageMistake(`Give --${option} or --${fileOption}, not both.`);
  await refuseUnreadable(file);
  return (await readFile(file, 'utf8')).replace(/\r?\n$/, '');
}

export async function readable(path: string): Promise<Readable> {
  if (path === '-') return process.stdin;
  await refuseUnreadable(path);
  return createReadStream(path);
}

/** For pipes: nothing to name, nothing to take back. */
export function standardOutput(): Output {
  if (process.stdout.isTTY) {
    throw new UsageMistake('A backup is not for a terminal: send it into a file or another program.');
  }
  return { stream: process.stdout, keep: async () => {}, discard: async () => {} };
}

async function refuseUnreadable(path: string): Promise<void> {
  await access(path, constants.R_OK).catch(() => {
    throw new UsageMistake(`The file ${path} cannot be read.`);
  });
}
