// Everything that examinations look at. What could not be measured is a Problem with its reason.
import type { Sent } from '../messages/messages.ts';
import type { Reflection } from '../platform/api/reflection.ts';
import type { Config } from '../platform/config/schema.ts';
import type { DiskFacts } from '../platform/inspect/disk.ts';
import type { Problem } from '../platform/inspect/problem.ts';
import type { PublicAnswer } from '../platform/inspect/public-address.ts';
import type { RedisFacts } from '../platform/inspect/redis.ts';
import type { TlsFacts } from '../platform/inspect/tls.ts';

export interface DatabaseFacts {
  readonly version: string;
  readonly versionNumber: number;
  readonly isSuperuser: boolean;
  readonly canCreate: boolean;
  readonly maximumConnections: number;
  readonly usedConnections: number;
  readonly encoding: string;
  readonly fsync: boolean;
  readonly synchronousCommit: string;
  /** Whether the connection is encrypted; null over a Unix socket. */
  readonly encrypted: boolean | null;
  readonly now: Date;
  readonly measuredAt: Date;
}

export interface SigningKeyFacts {
  readonly algorithm: string;
  readonly state: string;
  readonly createdAt: Date;
  readonly activatedAt: Date | null;
}

/** What lies in the database; not there when it cannot be opened. */
export interface StoredFacts {
  readonly pendingMigrations: readonly string[];
  readonly signingKeys: readonly SigningKeyFacts[];
  /** Clients that need no PKCE, by id. */
  readonly exemptedClients: readonly string[];
  readonly activeAdmins: number;
  /** Those of them whom a password alone would let set up a second factor. */
  readonly adminsWithoutFactor: number;
  /** Whether the owner of single-user mode still has the key that was printed at the start. */
  readonly hasPrintedKey: boolean;
  readonly newestEventAt: Date | null;
  /** Whether the ledger has a partition for the month that comes. */
  readonly nextMonthReady: boolean;
  readonly failingJobs: readonly string[];
  readonly lateJobs: readonly string[];
  /** Given up, in the month for which that is kept. */
  readonly failedMessages: number;
  /** Still waiting an hour after they were written. */
  readonly lateMessages: number;
}

/** Requests made at the public address, each to show one protection at work. */
export interface PublicFacts {
  readonly discovery: PublicAnswer | Problem;
  readonly keys: PublicAnswer | Problem;
  readonly page: PublicAnswer | Problem;
  readonly reflection: Reflection | Problem;
  /** The same with a made-up X-Forwarded-For. */
  readonly spoofed: Reflection | Problem;
  readonly malformed: PublicAnswer | Problem;
  readonly quote: PublicAnswer | Problem;
  readonly script: PublicAnswer | Problem;
  readonly forged: PublicAnswer | Problem;
  readonly unauthorized: PublicAnswer | Problem;
}

/** What carries mails or text messages, and how it answered. */
export interface CarrierFacts {
  readonly kind: 'smtp' | 'webhook' | 'files';
  readonly outcome: Sent;
}

export interface Facts {
  readonly config: Config;
  readonly now: Date;
  readonly public: PublicFacts;
  /** null for an issuer without TLS. */
  readonly tls: TlsFacts | Problem | null;
  readonly database: DatabaseFacts | Problem;
  readonly stored: StoredFacts | Problem;
  /** null when no Redis is configured. */
  readonly redis: RedisFacts | Problem | null;
  /** null when the database is not on this machine. */
  readonly disk: DiskFacts | Problem | null;
  /** null where nothing carries them. */
  readonly carriers: { readonly mail: CarrierFacts | null; readonly sms: CarrierFacts | null };
  /** Whether others may read the file of the master key; null when it is not in a file. */
  readonly masterKeyExposed: boolean | Problem | null;
}

export const SPOOFED_ADDRESS = '203.0.113.77';
export const SCRIPT = '<script>alert(1)</script>';
