interface Client {
  connect(): Promise<void>;
  disconnect(): Promise<void>;
}

/** A client of kafkajs, connected. One that fails is left: its connection to a broker that does not answer would stay open. */
export async function connected<T extends Client>(client: T): Promise<T> {
  try {
    await client.connect();
    return client;
  } catch (error) {
    void client.disconnect().catch(() => undefined);
    throw error;
  }
}
