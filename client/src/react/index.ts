// `tailwater/react`: hooks over the client, for React 18 and newer.

export { TailwaterProvider } from "./provider.ts";
export type { TailwaterProviderProps } from "./provider.ts";
export { useAudioPanel } from "./use-audio-panel.ts";
export type { AudioPanel, AudioPanelOptions } from "./use-audio-panel.ts";
export { useGeneration } from "./use-generation.ts";
export type { Generation, GenerationOptions, GenerationPhase } from "./use-generation.ts";
export { useJob } from "./use-job.ts";
export type { JobOptions, WatchedJob } from "./use-job.ts";
