// A file that appears whole or not at all: written under another name, forced to disk, then given its own.
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { link, open, rename, unlink } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { Writable } from 'node:stream';
import { Interrupted, UsageMistake } from '../platform/command.ts';

export interface Output {
  /** On disk when it has closed. */
  readonly stream: Writable;
  /** After that: the file is there under its name. */
  keep(): Promise<void>;
  /** Leaves nothing behind. */
  discard(): Promise<void>;
}

const SIGNALS = ['SIGINT', 'SIGTERM'] as const;

/** Throws a UsageMistake when the file exists and `force` was not given: at once, and not after an hour's work. */
export async function openOutput(path: string, force: boolean): Promise<Output> {
  if (!force && existsSync(path)) throw fileExists(path);
  const draft = join(dirname(path), `.${basename(path)}.${randomBytes(6).toString('hex')}.part`);
  // Ctrl-C ends the writing like any other error, so that half a file of everybody's addresses does not stay behind. It is
  // listened to before there is a file.
  const interruption = new AbortController();
  const interrupt = () => interruption.abort(new Interrupted());
  for (const signal of SIGNALS) process.once(signal, interrupt);
  const listenNoMore = () => {
    for (const signal of SIGNALS) process.off(signal, interrupt);
  };
  const file = await open(draft, 'wx', 0o600).catch((error: unknown) => {
    listenNoMore();
    throw new UsageMistake(`The file ${path} cannot be written: ${codeOf(error)}.`);
  });
  const stream = file.createWriteStream({ flush: true });
  stream.on('error', () => {});
  const end = () => stream.destroy(new Interrupted());
  if (interruption.signal.aborted) end();
  else interruption.signal.addEventListener('abort', end, { once: true });
  return {
    stream,
    async discard() {
      listenNoMore();
      stream.destroy();
      await unlink(draft).catch(() => {});
    },
    async keep() {
      listenNoMore();
      await (force ? rename(draft, path) : nameOnce(draft, path));
      await syncDirectory(dirname(path));
    },
  };
}

/** A rename would replace a file that came into being meanwhile; a link does not. */
async function nameOnce(draft: string, path: string): Promise<void> {
  try {
    await link(draft, path);
  } catch (error) {
    if (codeOf(error) === 'EEXIST') throw fileExists(path);
    throw error;
  }
  await unlink(draft);
}

function fileExists(path: string): UsageMistake {
  return new UsageMistake(
    `The file ${path} exists already. Choose another name, or replace it with --force.`,
  );
}

async function syncDirectory(path: string): Promise<void> {
  if (process.platform === 'win32') return;
  const directory = await open(path, 'r');
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : String(error);
}
