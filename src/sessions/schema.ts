// What the lists of sessions show beside the engine's own records.

export const deliveryStates = ['waiting', 'delivered', 'failed'] as const;
export type DeliveryState = (typeof deliveryStates)[number];

/** One client that is to be told about one ended session. */
export interface LogoutDelivery {
  id: string;
  clientId: string;
  accountId: string;
  /** The session as the client knows it. */
  sid: string | null;
  state: DeliveryState;
  attempts: number;
  /** Why the last attempt failed, in a few fixed words. */
  lastError: string | null;
  createdAt: Date;
  /** null when it is over. */
  nextAttemptAt: Date | null;
  finishedAt: Date | null;
}

export interface DeliveryFilter {
  state?: DeliveryState;
  clientId?: string;
}

export interface EndedCounts {
  /** Ended ones; of a single client, those that it took part in until now. */
  sessions: number;
  grants: number;
  tokens: number;
}
