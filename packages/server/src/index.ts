export { type App, createApp } from './app.ts'
export { type Config, ConfigError, loadConfig, readEnvironment } from './config.ts'
