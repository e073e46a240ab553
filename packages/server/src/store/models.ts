import { DataTypes, type Model, type ModelStatic, type Sequelize } from 'sequelize'

/**
 * The tables that are not on the hot path, as Sequelize models. `entries`, `changes` and `counter` are reached by SQL
 * with binds only (migrations/0002-commit.ts, reads.ts, history.ts, candles.ts).
 */
export interface Models {
  stores: ModelStatic<Model<{ id: number; storeId: string; compactedThrough: string }>>
  writers: ModelStatic<
    Model<{ instance: string; epoch: string; lastBatch: string; result: string | null; seenAt: Date }>
  >
  idempotency: ModelStatic<
    Model<{ token: string; hash: string; at: Date; revision: string | null; note: string | null }>
  >
}

export function defineModels(sequelize: Sequelize): Models {
  return {
    stores: sequelize.define(
      'store',
      {
        id: { type: DataTypes.INTEGER, primaryKey: true },
        storeId: DataTypes.UUID,
        compactedThrough: DataTypes.BIGINT,
      },
      { tableName: 'store' },
    ),
    writers: sequelize.define(
      'writer',
      {
        instance: { type: DataTypes.UUID, primaryKey: true },
        epoch: DataTypes.BIGINT,
        lastBatch: DataTypes.BIGINT,
        result: DataTypes.TEXT,
        seenAt: DataTypes.DATE,
      },
      { tableName: 'writers' },
    ),
    idempotency: sequelize.define(
      'idempotency',
      {
        token: { type: DataTypes.TEXT, primaryKey: true },
        hash: DataTypes.TEXT,
        at: DataTypes.DATE,
        revision: DataTypes.BIGINT,
        note: DataTypes.TEXT,
      },
      { tableName: 'idempotency' },
    ),
  }
}
