//! What must hold for the whole project.

mod layers;
mod sabotage;
mod sdl;
