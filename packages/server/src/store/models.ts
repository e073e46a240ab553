import { DataTypes, type Model, type ModelStatic, type Sequelize } from 'sequelize'

/**
 * What is not on the hot path, as Sequelize models. The log and its entries are reached by SQL with binds only (migrations/0002-commit.ts, reads.ts, history.ts, candles.ts).
 */
export interface Models {
  writers: ModelStatic<
    Model<{ instance: string; epoch: string; lastBatch: string; result: string | null; seenAt: Date }>
  >
}

export function defineModels(sequelize: Sequelize): Models {
  return {
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
  }
}
